import ArgumentParser
import Communication
import Datasets
import RecurrentNN
import Tasks
import Inference

struct GenerateCommand: LocalCommand {
  static let configuration = CommandConfiguration(
    commandName: "generate",
    abstract: "Sample text from the language model or the generator of a run.",
    discussion: """
      The text begins with the prompt and appears as it is sampled. With --count several texts are sampled together and printed \
      at the end, with a line --- between them. The same options give the same text; another --seed gives another text.

      Examples:
        rnn-dist generate runs/shakespeare --prompt 'ROMEO:' --temperature 0.8
        rnn-dist generate runs/shakespeare --count 5 --top-p 0.9 --seed 7
        rnn-dist generate runs/surnames --class Russian --count 10
      """)

  @OptionGroup var run: RunArguments
  @OptionGroup var products: PrecisionArguments
  @Option(parsing: .unconditional, help: "Text that the model reads first.") var prompt = ""
  @Option(name: .customLong("class"), help: "Generator: the class to write for.") var className: String?
  @Option(help: ArgumentHelp("Generator: the vector to write for.", valueName: "file.npy"))
  var features: String?
  @Option(
    help:
      "Number of tokens (default: 500 bytes or characters, 100 words or subwords); generator: the maximum number."
  )
  var length: Int?
  @Option(help: "Number of texts.") var count = 1
  @OptionGroup var sampling: SamplingArguments

  /// Each text needs memory for a state and a distribution.
  private static let largestCount = 1000

  func validate() throws {
    if let length, length < 1 { throw ValidationError("--length \(length): at least 1 token") }
    guard (1...Self.largestCount).contains(count) else {
      throw ValidationError("--count \(count): 1 to \(Self.largestCount) texts")
    }
    if className != nil && features != nil {
      throw ValidationError("--class and --features contradict each other")
    }
  }

  func runLocally() throws -> Int32 {
    let saved = try run.load(precision: products.precision)
    run.warn(of: saved)
    try Threads.share(among: SoloCommunicator(), reproducible: false)
    if let vocabulary = saved.encoding.stream { try write(saved, vocabulary) } else { try writeLines(saved) }
    return ExitCode.done
  }

  private func request(_ saved: SavedModel) -> SavedModel.WritingRequest {
    var request = SavedModel.WritingRequest(
      TextSampling(sampling.options, seed: sampling.seed ?? UInt64(saved.configuration.seed)))
    (request.count, request.maximumLength) = (count, length)
    return request
  }

  /// Writes the sequences of a generator, one per line.
  private func writeLines(_ saved: SavedModel) throws {
    guard let beginning = saved.abilities.writesAfter else {
      throw ValidationError("\(run.run) is not a model that generates without input: use rnn-dist predict")
    }
    guard prompt.isEmpty else { throw ValidationError("--prompt is for language models") }
    if beginning == .condition { try checkCondition(saved) }
    var request = request(saved)
    request.condition = className ?? features
    try StandardOutput.write(try saved.texts(request).flatMap { $0 + Array("\n".utf8) })
  }

  /// Checks that a generator receives a class of its training data or a vector.
  private func checkCondition(_ saved: SavedModel) throws {
    guard let labels = saved.encoding.labels else {
      guard className == nil else {
        throw ValidationError("--class: this generator writes for a vector: use --features FILE")
      }
      guard features != nil else {
        throw ValidationError("this generator writes for a vector: name its file with --features FILE")
      }
      return
    }
    guard features == nil else {
      throw ValidationError("--features: this generator writes for a class: use --class NAME")
    }
    guard let className else {
      throw ValidationError(
        "this generator writes for a class: name one with --class; all \(labels.count) are in "
          + "\(run.run)/vocab.labels.txt")
    }
    guard labels.id(of: className) == nil else { return }
    let nearest = labels.nearest(className, onlyIfSimilar: false).map { "; the nearest is \"\($0)\"" } ?? ""
    throw ValidationError(
      "--class \"\(className)\": the model has not learned this class\(nearest); all \(labels.count) are in "
        + "\(run.run)/vocab.labels.txt")
  }

  private func write(_ saved: SavedModel, _ vocabulary: Vocabulary) throws {
    guard className == nil, features == nil else {
      throw ValidationError("--class and --features are for generators; a language model takes --prompt")
    }
    var request = request(saved)
    request.prompt = try vocabulary.encode(stream: Array(prompt.utf8), name: "--prompt")
    request.maximumLength = length ?? Self.usualLength(vocabulary.unit)
    warnOfUnknown(request.prompt, vocabulary)
    if count == 1 {
      try stream(request, saved, vocabulary)
    } else {
      let texts = try saved.texts(request).map { shownPrompt(vocabulary) + $0 + Array("\n".utf8) }
      try StandardOutput.write(Array(texts.joined(separator: Array("---\n".utf8))))
    }
  }

  // MARK: Writing

  private func stream(
    _ request: SavedModel.WritingRequest, _ saved: SavedModel, _ vocabulary: Vocabulary
  ) throws {
    var text = StreamingText(vocabulary)
    for id in request.prompt { _ = text.append(id) }
    try StandardOutput.write(shownPrompt(vocabulary))
    var failure: OutputFailure?
    try saved.write(request) { _, id in
      let piece = text.append(id)
      guard !piece.isEmpty else { return true }
      do throws(OutputFailure) {
        try StandardOutput.write(piece)
        return true
      } catch {
        failure = error
        return false
      }
    }
    if let failure { throw failure }
    try StandardOutput.write(text.finish() + Array("\n".utf8))
  }

  private static func usualLength(_ unit: TokenUnit) -> Int {
    switch unit {
    case .byte, .char: 500
    case .word, .space, .bpe: 100
    }
  }

  // MARK: The prompt

  /// The prompt as it was given, also where the vocabulary spells it in another way or lacks a character. Tokens that are
  /// separated by spaces begin with the space before them, so spaces at the end are left out.
  private func shownPrompt(_ vocabulary: Vocabulary) -> [UInt8] {
    let text = Array(prompt.utf8)
    switch vocabulary.unit {
    case .byte, .char: return text
    case .word, .space, .bpe: return text.dropLast(text.reversed().prefix { $0 == UInt8(ascii: " ") }.count)
    }
  }

  /// Warns about the parts of the prompt that are not in the vocabulary.
  private func warnOfUnknown(_ ids: [Int32], _ vocabulary: Vocabulary) {
    guard let unknown = vocabulary.unknown, ids.contains(unknown) else { return }
    let isWords = vocabulary.unit == .word
    var strange: [[UInt8]] = []
    for part in vocabulary.units(of: prompt.utf8) ?? prompt.unicodeScalars.map({ Array($0.utf8) })
    where !strange.contains(part) {
      if let ids = try? vocabulary.encode(stream: part), ids.contains(unknown) { strange.append(part) }
    }
    let list = strange.map { part in
      "\"" + String(decoding: part, as: UTF8.self).unicodeScalars.map { $0.escaped(asASCII: false) }.joined()
        + "\""
    }.joined(separator: ", ")
    Console.error(
      "warning: the prompt has \(isWords ? "words" : "characters") that the model has never seen, and reads as "
        + "\(SpecialToken.unknown): \(list)")
  }
}
