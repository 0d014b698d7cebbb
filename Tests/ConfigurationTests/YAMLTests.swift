import Configuration
import Datasets
import Foundation
import Tasks
import Testing

private func read(_ text: String) throws -> ConfigurationNode {
  try YAMLReader.node(bytes: Array(text.utf8), source: .file("a.yaml"))
}

private func resolve(yaml text: String) throws -> ResolvedConfiguration {
  try RunConfiguration.resolve(layers: [read(text)], overrides: [], requiringText: false)
}

@Suite struct YAMLReaderTests {
  @Test func keysAndValuesHaveTheirPlaces() throws {
    let resolved = try resolve(
      yaml: """
        # a comment
        seed: 3
        model:
          cell: "gru"
          layers: 2   # another
        training: {epochs: 1, schedule: {kind: cosine}}
        log:
        """)
    #expect(resolved.configuration.seed == 3)
    #expect(resolved.configuration.model.network.cell.kind == .gru)
    #expect(resolved.configuration.training.schedule.kind == .cosine)
    #expect(resolved.origin(of: "model.layers") == .file("a.yaml", line: 5, column: 11))
    #expect(resolved.origin(of: "training.schedule.kind") == .file("a.yaml", line: 6, column: 40))
  }

  @Test func aByteOrderMarkIsNoText() throws {
    let resolved = try resolve(yaml: "\u{FEFF}seed: 3\nmodel: {layers: 2}\n")
    #expect(resolved.configuration.seed == 3 && resolved.configuration.model.network.layers == 2)
  }

  @Test func quotedNumbersAreText() throws {
    let error = #expect(throws: ConfigurationErrors.self) { try resolve(yaml: "model:\n  layers: '2'\n") }
    #expect(error?.issues.map(\.origin) == [.file("a.yaml", line: 2, column: 11)])
    #expect(error?.description.contains("the quoted text \"2\"") == true)
  }

  @Test(arguments: ["", "# nothing but a comment\n", "---\n", "~"])
  func emptyTexts(text: String) throws {
    #expect(try resolve(yaml: text).configuration == RunConfiguration())
  }

  @Test(arguments: [
    ("seed: 1\nmodel: [1, 2\n", 3), ("seed: 1\n\tmodel: 2\n", 2), ("seed: 1\nseed: 2\n", 2),
    ("model:\n  cell: a: b\n", 2), ("seed: *missing\n", 1), ("seed: 1\n---\nseed: 2\n", 2),
    ("? [a]\n: b\n", 1),
    ("seed: \"\\q\"\n", 1), ("a: 1\nb: \u{1}\n", 2),
  ])
  func brokenTextsNameTheLine(text: String, line: Int) {
    let error = #expect(throws: ConfigurationErrors.self) { try resolve(yaml: text) }
    #expect(error?.exitCode == 78)
    guard case .file("a.yaml", let found, _)? = error?.issues.first?.origin else {
      Issue.record("no place: \(String(describing: error))")
      return
    }
    // A duplicate key may be reported at either its first or its second occurrence.
    #expect(abs(found - line) <= 1)
  }

  @Test func aliasesWorkButCannotMultiply() throws {
    #expect(
      try resolve(yaml: "model: {hidden_size: &n 32, embedding_size: *n}").configuration.model.network
        .hiddenSize
        == 32)
    var bomb = "a0: &a0 [x, x, x, x, x, x, x, x, x]\n"
    for level in 1..<40 {
      let references = Array(repeating: "*a\(level - 1)", count: 9).joined(separator: ", ")
      bomb += "a\(level): &a\(level) [\(references)]\n"
    }
    let error = #expect(throws: ConfigurationErrors.self) { try read(bomb) }
    #expect(error?.description.contains("aliases") == true)
  }

  @Test(arguments: ["[", "{a: ", "- "])
  func deepNestingIsRefused(opening: String) {
    #expect(throws: ConfigurationErrors.self) {
      try resolve(yaml: String(repeating: opening, count: 200_000))
    }
  }

  @Test func largeTextsAreRefused() {
    #expect(throws: ConfigurationErrors.self) { try read(String(repeating: "#", count: (1 << 20) + 1)) }
    #expect(throws: ConfigurationErrors.self) {
      try read("a: [" + String(repeating: "1,", count: 20_000) + "1]")
    }
  }

  @Test func filesAndPresetsAreFoundByName() throws {
    let path = NSTemporaryDirectory() + "/configuration-test-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: path) }
    try "seed: 7\n".write(toFile: path, atomically: true, encoding: .utf8)
    let resolved = try RunConfiguration.resolve(
      layers: [YAMLReader.node(named: path)], overrides: [], requiringText: false)
    #expect(resolved.configuration.seed == 7)
    #expect(resolved.origin(of: "seed") == .file(path, line: 1, column: 7))

    try Data([0x61, 0xFF]).write(to: URL(fileURLWithPath: path))
    #expect(throws: ConfigurationErrors.self) { try YAMLReader.node(named: path) }
    try Data(repeating: 0x23, count: (1 << 20) + 1).write(to: URL(fileURLWithPath: path))
    #expect(throws: ConfigurationErrors.self) { try YAMLReader.node(named: path) }

    let missing = #expect(throws: ConfigurationUnavailable.self) { try YAMLReader.node(named: "chr-lm") }
    #expect(missing?.exitCode == 66)
    #expect(missing?.description.contains("did you mean \"char-lm\"?") == true)
    let directory = #expect(throws: ConfigurationUnavailable.self) { try YAMLReader.node(named: "/") }
    #expect(directory?.exitCode == 66)
    #expect(directory?.description.hasPrefix("/: is a directory") == true)
  }
}

@Suite struct WrittenConfigurationTests {
  private static let unusual = [
    "data.train=a b: #c", "data.valid=\"null\"", "data.test=quo\"te\\ \u{1F600}\u{7}\u{FEFF}\u{2028}\n\t- x",
    "model.init_uniform=0.05", "training.epsilon=1e-300", "training.learning_rate=0.1", "model.cell=rnn",
    "model.activation=relu", "training.schedule.kind=plateau", "seed=9223372036854775807",
    "model.embedding_dropout=0.125", "log.tensorboard=false", "training.weight_decay=12345678.9",
  ]

  @Test(arguments: [true, false], [[], unusual])
  func readAgainItIsTheSame(commented: Bool, overrides: [String]) throws {
    let resolved = try RunConfiguration.resolve(layers: [], overrides: overrides, requiringText: false)
    let text = resolved.configuration.yaml(commented: commented)
    let again = try resolve(yaml: text)
    #expect(again.configuration == resolved.configuration)
    #expect(again.configuration.yaml(commented: commented) == text)
    #expect(ConfigurationSchema.keys.allSatisfy { again.origin(of: $0.path) != .defaultValue })
  }

  @Test(arguments: [
    "true", "-", "...", "5", "~x", "*a", "&a", "a#b", "'q'", "{", "0x1F", "é", "a:b", "@", "\u{85}",
    "a \u{2028} b", " a ",
  ])
  func pathsThatYAMLWouldReadOtherwise(path: String) throws {
    let resolved = try RunConfiguration.resolve(layers: [], overrides: ["data.train=\"\(path)\""])
    #expect(resolved.configuration.data.train == DataPath(file: path))
    #expect(
      try resolve(yaml: resolved.configuration.yaml(commented: true)).configuration.data.train
        == DataPath(file: path))
  }
}

@Suite struct PresetTests {
  private static let folder = URL(fileURLWithPath: #filePath)
    .deletingLastPathComponent().deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("configs")

  @Test(arguments: Presets.names)
  func filesHoldTheSameText(name: String) throws {
    let file = Self.folder.appendingPathComponent("\(name).yaml")
    #expect(try String(contentsOf: file, encoding: .utf8) == Presets.text(named: name))
  }

  @Test func everyFileIsAPreset() throws {
    let files = try FileManager.default.contentsOfDirectory(atPath: Self.folder.path)
    #expect(files.sorted() == Presets.names.map { "\($0).yaml" }.sorted())
    #expect(Presets.text(named: "nothing") == nil)
  }

  @Test(arguments: Presets.names)
  func presetsResolve(name: String) throws {
    let node = try YAMLReader.node(named: name)
    let resolved = try RunConfiguration.resolve(layers: [node], overrides: [], requiringText: false)
    // A line of the format `lines` has no place for a target.
    let isPair = resolved.configuration.data.format == .lines
    _ = try RunConfiguration.resolve(
      layers: [node],
      overrides: isPair ? ["data.train.input=text", "data.train.labels=labels"] : ["data.train=text"])
  }

  /// Presets are accepted unchanged as files of the user, which are rejected if any setting in them is ignored.
  @Test(arguments: Presets.names)
  func presetsHaveNoIgnoredSettings(name: String) throws {
    let text = try #require(Presets.text(named: name))
    let node = try YAMLReader.node(bytes: Array(text.utf8), source: .file(name))
    _ = try RunConfiguration.resolve(layers: [node], overrides: [], requiringText: false)
  }

  @Test func theDefaultPresetNeedsNoFileAndShowsEveryKey() throws {
    let resolved = try RunConfiguration.resolve(layers: [YAMLReader.node(named: "default")], overrides: [])
    #expect(resolved.configuration.data.generator == .datePairs)
    for key in ConfigurationSchema.keys {
      guard case .preset("default", _, _) = resolved.origin(of: key.path) else {
        Issue.record("\(key.path) isn't in configs/default.yaml")
        continue
      }
    }
  }

  /// Every line with a setting has a comment that explains it, on the line or above it.
  @Test func theDefaultPresetCommentsEachKey() throws {
    let lines = try #require(Presets.text(named: "default")).split(separator: "\n")
    func isComment(_ line: Substring) -> Bool { line.drop { $0 == " " }.hasPrefix("#") }
    let settings = lines.indices.filter { !isComment(lines[$0]) && !lines[$0].hasSuffix(":") }
    #expect(settings.count == ConfigurationSchema.keys.count)
    #expect(settings.allSatisfy { lines[$0].contains(" # ") || isComment(lines[$0 - 1]) })
  }

  /// A list of columns names one for the source and one for the target.
  @Test func columnsOfSourceAndTarget() throws {
    let yaml = "task: classifier\ndata:\n  format: csv\n  train: a\n  columns: [\"a, text\", label]\n"
    let columns = try resolve(yaml: yaml).configuration
    #expect(columns.data.columns == DataColumns(parts: [.source: ["a, text"], .target: ["label"]]))
    #expect(
      try resolve(yaml: columns.yaml(commented: true)).configuration.data.columns == columns.data.columns)
  }

  /// Parallel files in YAML's flow and block forms, written back and read again.
  @Test(arguments: ["{source: a.de, target: b.en}", "\n    source: a.de\n    target: b.en"])
  func parallelFiles(value: String) throws {
    let resolved = try resolve(yaml: "task: seq2seq\ndata:\n  format: lines\n  train: \(value)\n")
    let expected = DataPath(parts: [.source: "a.de", .target: "b.en"])
    #expect(resolved.configuration.data.train == expected)
    #expect(
      try resolve(yaml: resolved.configuration.yaml(commented: true)).configuration.data.train == expected)
  }
}
