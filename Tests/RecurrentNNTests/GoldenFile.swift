import Checkpoints
import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

/// The element types of the numeric core, for tests that run in both, with the tolerance of each.
enum Precision: String, CaseIterable, Sendable {
  case double, float

  /// The element type, with which a generic function can be called.
  var type: any Scalar.Type { self == .double ? Double.self : Float.self }

  /// The largest difference from PyTorch's numbers, which are in double precision, relative to numbers above 1.
  var tolerance: Double { self == .double ? 1e-11 : 1e-5 }
}

/// One safetensors file of Tests/Golden.
struct GoldenFile {
  let name: String
  private let file: SafetensorsFile

  static let folder = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .appendingPathComponent("Golden").path

  /// The names, without extension, of all golden files that begin with one of the given words; an empty word matches all
  /// files.
  static func names(_ families: String...) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".safetensors") }
      .map { String($0.dropLast(".safetensors".count)) }
      .filter { name in families.contains { $0.isEmpty || name.hasPrefix($0 + "-") } }.sorted()
  }

  init(_ name: String) throws {
    self.name = name
    file = try SafetensorsFile(path: "\(Self.folder)/\(name).safetensors")
  }

  var parameterNames: [String] {
    file.names.filter { $0.hasPrefix("parameter.") }.map { String($0.dropFirst("parameter.".count)) }
  }

  func has(_ name: String) -> Bool { file.tensors[name] != nil }

  func tensor<Element: Scalar>(_ name: String) throws -> Tensor<Element> {
    let shape = try #require(file.tensors[name], "\(self.name) has no tensor \(name)").shape
    return Tensor(shape, try file.readDoubles(name).map { Element($0) })
  }

  /// A time-major tensor [T, B, D] in the layout of the public calls, [B, T, D].
  func batchMajor<Element: Scalar>(_ name: String) throws -> Tensor<Element> {
    let timeMajor: Tensor<Element> = try tensor(name)
    let (steps, batchSize, width) = (timeMajor.shape[0], timeMajor.shape[1], timeMajor.shape[2])
    var result = Tensor<Element>.zeros([batchSize, steps, width])
    for t in 0..<steps {
      for b in 0..<batchSize {
        for d in 0..<width { result[b, t, d] = timeMajor[t, b, d] }
      }
    }
    return result
  }

  /// The state under `prefix`.h and `prefix`.c, each [S, B, H]; nil if there is none.
  func state<Element: Scalar>(_ prefix: String, _ size: StateSize) throws -> CellState<Element>? {
    guard has(prefix + ".h") else { return nil }
    let c: Tensor<Element>? = has(prefix + ".c") ? try tensor(prefix + ".c") : nil
    return CellState(size, h: try tensor(prefix + ".h"), c: c)
  }

  func doubles(_ name: String) throws -> [Double] { try file.readDoubles(name) }

  func integers(_ name: String) throws -> [Int] {
    let info = try #require(file.tensors[name], "\(self.name) has no tensor \(name)")
    try #require(info.dtype == .int64)
    var values = [Int](repeating: 0, count: info.count)
    try values.withUnsafeMutableBytes { try file.read(name, into: $0) }
    return values
  }

  // MARK: Options

  func hasOption(_ key: String) -> Bool { file.metadata[key] != nil }

  func option(_ key: String) throws -> String {
    try #require(file.metadata[key], "\(name) has no option \(key)")
  }

  func number(_ key: String) throws -> Double { try #require(Double(try option(key))) }
  func size(_ key: String) throws -> Int { try #require(Int(try option(key))) }
  func text(_ key: String) -> String? { file.metadata[key] }
  func flag(_ key: String) -> Bool { file.metadata[key] == "true" }

  /// The cell with its options.
  func cellKind() throws -> CellOptions {
    switch try option("cell") {
    case "rnn": .rnn(activation: try #require(.init(rawValue: try option("nonlinearity"))))
    case "gru": .gru(reset: try #require(.init(rawValue: file.metadata["reset"] ?? "after")))
    case "lstm": .lstm(forgetBias: Double(file.metadata["forget_bias"] ?? "0") ?? .nan)
    case let other:
      if let kind = CellKind(rawValue: other) { CellOptions(kind) } else { throw UnknownCell(name: other) }
    }
  }

  struct UnknownCell: Error { let name: String }

  /// The network with the options in the file's metadata.
  func networkOptions() throws -> NetworkOptions {
    var cell = try cellKind()
    func double(_ key: String) throws -> Double? { hasOption(key) ? try number(key) : nil }
    cell.peepholes = flag("peepholes")
    cell.coupledGates = flag("coupled_gates")
    cell.layerNorm = flag("layer_norm")
    cell.projectionSize = hasOption("projection_size") ? try size("projection_size") : nil
    cell.cellClip = try double("cell_clip")
    cell.projectionClip = try double("projection_clip")
    cell.zoneout = try double("zoneout_hidden") ?? 0
    cell.zoneoutCell = cell.kind == .lstm ? try double("zoneout_cell") ?? 0 : nil
    let connection = hasOption("connection") ? try option("connection") : "none"
    return NetworkOptions(
      cell, hiddenSize: try size("hidden_size"), layers: try size("layers"),
      bidirectional: flag("bidirectional"),
      connection: try #require(LayerConnectionKind(rawValue: connection)))
  }

  // MARK: Parameters

  /// A buffer with the values under `prefix` + name in the file for every parameter of a layout.
  func parameters<Element: Scalar>(
    _ layout: ParameterLayout, prefix: String = "parameter."
  ) throws -> ParameterBuffer<Element> {
    let buffer = ParameterBuffer<Element>(layout)
    for parameter in layout.parameters {
      let values: Tensor<Element> = try tensor(prefix + parameter.name)
      try #require(values.shape == parameter.shape, "\(name): \(prefix)\(parameter.name)")
      _ = buffer.elements(parameter).update(fromContentsOf: values.values)
    }
    buffer.didChange()
    return buffer
  }

  /// Expects every parameter of a buffer to equal the values under `prefix` + name in the file.
  func expect<Element: Scalar>(
    _ buffer: ParameterBuffer<Element>, equals prefix: String, within tolerance: Double,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for parameter in buffer.layout.parameters {
      expectClose(
        Array(buffer.elements(parameter)), try doubles(prefix + parameter.name), within: tolerance,
        "\(name): \(prefix)\(parameter.name)", sourceLocation: sourceLocation)
    }
  }
}

/// Expects equal counts and |actual - expected| <= tolerance · max(1, |expected|) everywhere; a NaN is never
/// close.
func expectClose<Actual: BinaryFloatingPoint, Expected: BinaryFloatingPoint>(
  _ actual: [Actual], _ expected: [Expected], within tolerance: Double, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  guard actual.count == expected.count else {
    Issue.record(
      "\(what): \(actual.count) values, expected \(expected.count)", sourceLocation: sourceLocation)
    return
  }
  for (index, (a, e)) in zip(actual, expected).enumerated()
  where !(abs(Double(a) - Double(e)) <= tolerance * max(1, abs(Double(e)))) {
    Issue.record("\(what)[\(index)] is \(a), expected \(e)", sourceLocation: sourceLocation)
    return
  }
}

func expectClose<Element: Scalar>(
  _ actual: Tensor<Element>, _ expected: Tensor<Element>, within tolerance: Double, _ what: String,
  sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(actual.shape == expected.shape, "\(what)", sourceLocation: sourceLocation)
  expectClose(actual.values, expected.values, within: tolerance, what, sourceLocation: sourceLocation)
}
