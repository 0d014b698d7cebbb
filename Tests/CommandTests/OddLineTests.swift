import Foundation
import TestSupport
import Testing

/// One line, one answer: for a line of any characters, `predict` has the answer that `evaluate` scores, however the line
/// reaches the program.
@Suite struct OddLineTests {
  private let folder: TemporaryDirectory

  init() throws { folder = try TemporaryDirectory() }

  /// Lines of mixed scripts, combining marks, joiners, marks of direction, and white space of every kind.
  static let lines: [String] = {
    let ranges: [ClosedRange<UInt32>] = [
      0x20...0x7E, 0xC0...0x17F, 0x391...0x3C9, 0x5D0...0x5EA, 0x621...0x64A, 0x905...0x939, 0x1100...0x1175,
      0x4E00...0x4E20, 0xAC00...0xAC30, 0x1F600...0x1F620,
    ]
    let pieces: [UInt32] = [
      0x09, 0x0B, 0x0C, 0x1C, 0x1F, 0x85, 0xA0, 0xAD, 0x301, 0x308, 0x345, 0x5B8, 0x93F, 0x94D, 0x1680,
      0x2003, 0x200B, 0x200C,
      0x200D, 0x200E, 0x200F, 0x2028, 0x2029, 0x202E, 0x202F, 0x2060, 0x3000, 0xFE0F, 0xFEFF, 0xFFFD, 0x1F3FD,
    ]
    var state: UInt64 = 12
    func random(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    return (0..<1000).map { number in
      // Starts with a visible character: a line of only white space would be empty, and a byte order mark must not begin
      // a file.
      var line = String(UnicodeScalar(UInt8(0x61 + number % 26)))
      for _ in 0..<random(9) {
        let range = ranges[random(ranges.count)]
        let value =
          random(3) == 0 ? pieces[random(pieces.count)] : range.lowerBound + UInt32(random(range.count))
        if let scalar = Unicode.Scalar(value) { line.unicodeScalars.append(scalar) }
      }
      return line
    }
  }()

  private func write(_ name: String, _ lines: some Sequence<String>) throws {
    try folder.write(Array(lines.map { $0 + "\n" }.joined().utf8), to: name)
  }

  private func run(_ arguments: [String], input: [UInt8] = []) async throws -> Outcome {
    let outcome = try await Program.run(arguments, in: folder.path, input: input)
    try #require(outcome.exitCode == 0, "\(outcome)")
    return outcome
  }

  /// The lines of standard output, each ended by a line feed and nothing else.
  private func outputs(_ outcome: Outcome) -> [[UInt8]] {
    Array(
      outcome.standardOutput.split(separator: 0x0A, omittingEmptySubsequences: false).map(Array.init)
        .dropLast())
  }

  @Test(arguments: [
    ("seq2seq", "char", "exact_match"), ("seq2seq", "space", "exact_match"),
    ("seq2seq", "bpe", "exact_match"), ("tagger", "word", "accuracy"),
  ])
  func oneLineOneAnswer(task: String, tokens: String, metric: String) async throws {
    let isTagger = task == "tagger"
    let (sources, targets) = isTagger ? ("input", "labels") : ("source", "target")
    let odd = Self.lines
    try write("lines", odd)
    // Makes one tag per word that the tokenizer finds. Unlike Python, the tokenizer does not cut at information separators.
    func words(_ line: String) -> Int {
      let spaces: Set<UInt32> = [
        0x09, 0x0A, 0x0B, 0x0C, 0x0D, 0x20, 0x85, 0xA0, 0x1680, 0x2028, 0x2029, 0x202F, 0x205F, 0x3000,
      ]
      return line.unicodeScalars.split { spaces.contains($0.value) || (0x2000...0x200A).contains($0.value) }
        .count
    }
    try write(
      "targets",
      odd.map { line in isTagger ? (0..<words(line)).map { "T\($0 % 3)" }.joined(separator: " ") : line })
    _ = try await run(
      [
        "train", "text", "task=\(task)", "data.generator=none", "data.format=lines", "data.tokens=\(tokens)",
        "data.train.\(sources)=lines", "data.train.\(targets)=targets", "data.valid_fraction=0",
        "model.hidden_size=8",
        "model.embedding_size=8", "training.batch_size=16", "training.epochs=0", "training.steps=15",
        "--run-dir", "run",
      ] + (tokens == "bpe" ? ["data.subword_vocabulary=1200"] : [])
        + (isTagger ? [] : ["decoding.max_length=8", "decoding.min_length=1", "decoding.beam=1"]))

    let bytes = Array(odd.map { $0 + "\n" }.joined().utf8)
    let beams = isTagger ? [[]] : [["--beam", "1"], ["--beam", "3"]]
    for beam in beams {
      let expected = try await outputs(run(["predict", "run"] + beam, input: bytes))
      #expect(expected.count == odd.count)
      for size in [1, 7, 1000] {
        #expect(
          try await outputs(run(["predict", "run", "--batch-size", "\(size)"] + beam, input: bytes))
            == expected)
      }
      let script = #"cat lines | "$PROGRAM" predict run "# + beam.joined(separator: " ")
      let piped = try await Program.run(shell: script, in: folder.path, environment: [:])
      #expect(piped.exitCode == 0 && outputs(piped) == expected, "\(piped)")

      // `evaluate` reads the same lines if the answers are the references.
      try write("answers", expected.map { String(decoding: $0, as: UTF8.self) })
      let evaluated = try await run(
        [
          "evaluate", "run", "--split", "test", "data.test.\(sources)=lines", "data.test.\(targets)=answers",
          "--json",
          "evaluation.batch_size=13",
        ] + (isTagger ? [] : ["decoding.beam=\(beam[1])"]))
      let json = try #require(
        JSONSerialization.jsonObject(with: evaluated.standardOutput) as? [String: Any], "\(evaluated)")
      #expect(json[metric] as? Double == 1, "\(evaluated)")
      #expect(json["examples"] as? Int == odd.count)
    }
  }

  /// A quoted field of csv may have a line feed; an answer is one line all the same.
  @Test(arguments: ["classifier", "seq2seq"]) func lineFeedsInFields(task: String) async throws {
    try write("train.csv", (0..<40).map { $0 % 2 == 0 ? "\"one\ntwo\",1,2" : "three,8,9" })
    _ = try await run(
      [
        "train", "text", "task=\(task)", "data.generator=none", "data.format=csv", "data.train=train.csv",
        "data.valid=train.csv", "data.tokens=word", "model.hidden_size=32", "model.embedding_size=8",
        "training.batch_size=8", "training.epochs=0", "training.steps=200", "training.learning_rate=0.01",
        "evaluation.metric=loss", "--run-dir", "run",
      ] + (task == "seq2seq" ? ["data.target_tokens=char", "decoding.max_length=9"] : []))
    let answers = try await outputs(run(["predict", "run"], input: Array("1,2\n8,9\n".utf8)))
    #expect(answers.map { String(decoding: $0, as: UTF8.self) } == ["one\\ntwo", "three"])
    let exact = try await outputs(run(["predict", "run", "--json"], input: Array("1,2\n".utf8)))
    let object = try #require(
      JSONSerialization.jsonObject(with: Data(exact.first ?? [])) as? [String: Any])
    #expect((object["outputs"] as? [[String: Any]])?.first?["text"] as? String == "one\ntwo")
    guard task == "classifier" else { return }
    let table = try await run(["evaluate", "run", "--per-class"]).output
    #expect(table.contains("\none\\ntwo "), "\(table)")
  }

  /// A space and the mark after it are one `Character` of Swift; two outputs that differ only in the mark are different.
  @Test func vowelSigns() async throws {
    let pairs = (0..<60).map { "k \($0 % 5)\tक \(["ा", "ि", "ी", "ु", "े"][$0 % 5])" }
    try write("train.tsv", pairs)
    // One of every three references has a vowel sign that differs from the learned one.
    let sources = (0..<30).map { "k \($0 % 5)" }
    let references = (0..<30).map { "क \(["ा", "ि", "ी", "ु", "े"][($0 + ($0 % 3 == 0 ? 1 : 0)) % 5])" }
    try write("test.tsv", zip(sources, references).map { "\($0)\t\($1)" })
    _ = try await run([
      "train", "text", "task=seq2seq", "data.generator=none", "data.format=tsv", "data.tokens=space",
      "data.train=train.tsv",
      "data.valid_fraction=0", "model.hidden_size=16", "model.embedding_size=8", "training.batch_size=20",
      "training.epochs=0",
      "training.steps=120", "training.learning_rate=0.02", "decoding.max_length=4", "--run-dir", "run",
    ])
    let answers = try await outputs(
      run(["predict", "run"], input: Array(sources.joined(separator: "\n").utf8) + [0x0A]))
    let right = zip(answers, references).count { $0.elementsEqual($1.utf8) }
    #expect(right == 20, "what was learned: \(answers.map { String(decoding: $0, as: UTF8.self) })")
    let evaluated = try await run(["evaluate", "run", "--data", "test.tsv", "--json"])
    let json = try #require(
      JSONSerialization.jsonObject(with: evaluated.standardOutput) as? [String: Any], "\(evaluated)")
    #expect(json["exact_match"] as? Double == Double(right) / 30)
    #expect(json["token_error_rate"] as? Double == Double(30 - right) / 60)
  }
}
