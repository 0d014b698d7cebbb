import Datasets
import Foundation

extension FuzzedReader {
  /// Formats of data, and the lines that a model predicts from.
  static let datasets = [
    text("text", Array("the cat sat\non the mat\n\nа б в\n".utf8)),
    // The same text, compressed.
    text("gzip", base64: "H4sIAAAAAAACAyvJSFVITixRKE4s4crPUygBcnOBTK4LGxQubFS4sIkLAOykhl4hAAAA"),
    text("zstd", base64: "KLUv/QRYCQEAdGhlIGNhdCBzYXQKb24gdGhlIG1hdAoK0LAg0LEg0LIKjE2nBQ=="),
    preparedText("prepared", file: "prepared.json"), preparedText("prepared-tokens", file: "tokens.bin"),
    examples("tsv", .labeled, .tsv, "good\ta nice film\nbad\ta dull film\ngood\tsuperb\n"),
    examples("pairs", .paired, .tsv, "a b\tx y\nc\tz\nd e f\tw\n"),
    parallelLines,
    examples("columns", .tagged, .columns, "# text\nthe\tDET\ncat\tNOUN\n\nsat\tVERB\n"),
    examples(
      "conllu", .tagged, .conllu,
      """
      # sent_id = 1
      1-2\tdel\t_\t_\t_\t_\t_\t_\t_\t_
      1\tde\tde\tADP\t_\t_\t2\tcase\t_\t_
      2\tel\tel\tDET\t_\t_\t0\troot\t_\t_
      2.1\tx\tx\tX\t_\t_\t_\t_\t_\t_

      1\tsi\tsi\tINTJ\t_\t_\t0\troot\t_\t_

      """),
    examples("csv", .labeled, .csv, "label,x0,x1\n\"a\",1.5,-2e3\nb,\"0.25\",7\na,3,4\n"),
    examples("csv-texts", .paired, .csv, "de,en\n\"a, b\",\"c\nd\"\ne,\"\"\"f\"\"\"\n") {
      $0.columns = DataColumns(parts: [.source: ["de"], .target: ["en"]])
    },
    examples("table", .labeled, .csv, "day;x;y\n1;2,5;-1\n2;3;0\n3;4,5;1e2\n4;;2\n5;6;1\n6;7;0\n") {
      ($0.window, $0.horizon, $0.numericTargets) = (2, 1, true)
      ($0.decimal, $0.missing, $0.scaling) = (.comma, .mask, .standard)
      $0.validFraction = 0.3
    },
    examples("lines", .generated, .lines, "ab\ncde\nf g\n"),
    examples("multihot", .tagged, .multihot, "39 43|39|\n7|8 9|40\n"),
    array, shape, inputLines,
  ]

  // MARK: Texts

  private static func text(_ name: String, base64: String) -> FuzzedReader {
    text(name, [UInt8](Data(base64Encoded: base64) ?? Data()))
  }

  private static func text(_ name: String, _ bytes: [UInt8]) -> FuzzedReader {
    FuzzedReader(name, bytes: bytes) {
      _ = try TextCorpus.load(train: .file($0), validFraction: 0.2, options: TextOptions(.word))
    }
  }

  /// The folder that `prepare` writes.
  private static func preparedText(_ name: String, file: String) -> FuzzedReader {
    FuzzedReader(name, file: file) { folder in
      let text = Array("the cat sat\non the mat\n".utf8)
      let settings = ["data.tokens": "char"]
      _ = try PreparedText.write(
        TextSources(train: .memory(text, name: "text"), valid: nil, test: nil, validFraction: 0.2),
        options: TextOptions(.char), settings: settings, to: folder)
      return {
        _ = try PreparedText(
          opening: folder, options: TextOptions(.char), settings: settings, verifies: true)
      }
    }
  }

  // MARK: Examples

  private static func options(
    _ kind: DataKind, _ format: DataFormat, _ change: (inout ExampleOptions) -> Void = { _ in }
  ) -> ExampleOptions {
    var data = DataOptions()
    (data.format, data.tokens, data.validFraction) = (format, .word, 0)
    var options = ExampleOptions(kind: kind, data)
    change(&options)
    return options
  }

  private static func examples(
    _ name: String, _ kind: DataKind, _ format: DataFormat, _ seed: String,
    _ change: @escaping @Sendable (inout ExampleOptions) -> Void = { _ in }
  ) -> FuzzedReader {
    FuzzedReader(name, seed) { path in
      _ = try ExampleCorpus.load(
        DataSources(train: .file(.file(path))), options: options(kind, format, change))
    }
  }

  private static let parallelLines = FuzzedReader("parallel", "x y\nz\nw\n") { path in
    let source = TextSource.memory(Array("a b\nc\nd e f\n".utf8), name: "source")
    _ = try ExampleCorpus.load(
      DataSources(train: .parallel(source: source, target: .file(path))), options: options(.paired, .lines))
  }

  private static let array = FuzzedReader("npy", bytes: arrayBytes) { path in
    let list = Array("x\t\(path)\ny\t\(path)\n".utf8)
    _ = try ExampleCorpus.load(
      DataSources(train: .file(.memory(list, name: "list"))), options: options(.labeled, .npy))
  }

  private static var arrayBytes: [UInt8] {
    let header = Array("{'descr': '<f4', 'fortran_order': False, 'shape': (3, 2), }\n".utf8)
    return [0x93] + Array("NUMPY".utf8) + [1, 0, UInt8(header.count), 0] + header
      + (0..<24).map { UInt8($0 * 5) }
  }

  // MARK: Data of a model

  private static let labeledCSV = DataSource.file(
    .memory(Array("label,x0,x1\na,1.5,-2e3\nb,0.25,7\na,3,4\n".utf8), name: "train.csv"))

  /// Options under which a run saves a description of its numbers.
  private static let scaledOptions = options(.labeled, .csv) { $0.scaling = .standard }

  /// The description of its data that a run saves.
  private static let shape = FuzzedReader("shape", file: "shape.json") { folder in
    let encoding = try ExampleCorpus.load(DataSources(train: labeledCSV), options: scaledOptions).encoding
    try encoding.save(to: folder)
    return { _ = try DataEncoding.load(from: folder, options: scaledOptions, like: labeledCSV) }
  }

  /// Lines of standard input. One that is refused does not prevent the next one.
  private static let inputLines = FuzzedReader("input-lines", file: "lines.txt") { folder in
    let path = "\(folder)/lines.txt"
    try Data("1,2\n0.5,-3e2\n\"4\",5\n".utf8).write(to: URL(fileURLWithPath: path))
    let encoding = try ExampleCorpus.load(DataSources(train: labeledCSV), options: scaledOptions).encoding
    return {
      var inputs = try PredictionInputs(options: scaledOptions, encoding: encoding, like: labeledCSV)
      let lines = try LineReader(.file(path))
      var refusal: (any Error)?
      while try lines.next() {
        do { try inputs.append(lines.bytes, name: path, line: lines.number) } catch { refusal = error }
      }
      _ = inputs.take()
      if let refusal { throw refusal }
    }
  }
}
