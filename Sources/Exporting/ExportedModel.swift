import Checkpoints
import Communication
import Configuration
import Datasets
import Foundation
import Inference
import Parameters
import RecurrentNN
import Tasks

/// A trained model to be exported: its shape, its vocabularies, and its weights, with all constants folded in that the
/// other program does not know. These are the forget bias of an LSTM (folded into `bias_ih`) and the normed v of an
/// additive score (g v/‖v‖ becomes `v.weight`). The scales of numbers become weights.
package struct ExportedModel {
  package let shape: ModelShape
  package let encoding: DataEncoding
  package let configuration: RunConfiguration
  /// The run and the step, for the first line of the exported files.
  package let origin: String
  package private(set) var weights: ExportedWeights

  /// Throws ``ExportFailure`` if a part of the model has no form outside of this program.
  package init(_ saved: SavedModel, run: String) throws(ExportFailure) {
    guard let shape = saved.shape else {
      throw ExportFailure("the task \(saved.configuration.task.rawValue) has no exported form")
    }
    try self.init(
      shape, saved.encoding, saved.configuration, ExportedWeights(saved.parameters),
      origin: "\(run), step \(saved.step)")
  }

  /// - Parameter weights: the weights as the model uses them, without folded constants.
  package init(
    _ shape: ModelShape, _ encoding: DataEncoding, _ configuration: RunConfiguration,
    _ weights: ExportedWeights,
    origin: String
  ) throws(ExportFailure) {
    self.shape = shape
    self.encoding = encoding
    self.configuration = configuration
    self.origin = origin
    self.weights = weights
    for network in networks {
      try network.requireKnownCell()
      self.weights.foldForgetBias(of: network)
    }
    for attention in attentions where attention.shape.normed { self.weights.foldNormedV(of: attention.name) }
    for scale in Self.scales(of: shape, encoding, configuration) {
      self.weights[scale.name] = scale.tensor
    }
  }

  /// The metadata of a weights file: the properties that its keys and shapes don't show. The forget bias is already
  /// folded into the weights.
  package var metadata: [String: String] {
    var folded = configuration
    folded.model.network.cell.forgetBias = 0
    var metadata = folded.modelMetadata
    metadata["format"] = "pt"
    return metadata
  }
}

/// A model can't be exported.
package struct ExportFailure: Error, CustomStringConvertible, Equatable {
  package let description: String
  package let exitCode: Int32

  /// - Parameter exitCode: 65: the run is not of a kind that can be exported.
  package init(_ description: String, exitCode: Int32 = ExitCode.badData) {
    (self.description, self.exitCode) = (description, exitCode)
  }
}

extension ExportFailure: ExitCoded {}

// MARK: - Weights

/// The values of a parameter.
package struct ExportedTensor: Equatable {
  package var shape: [Int]
  /// The values in row-major order.
  package var values: [Float]

  package init(_ shape: [Int], _ values: [Float]) { (self.shape, self.values) = (shape, values) }
}

/// The weights of a model under PyTorch's names.
package struct ExportedWeights {
  /// The names in the order of the model; names of tied weights come last.
  package private(set) var names: [String] = []
  private var tensors: [String: ExportedTensor] = [:]

  package init(_ parameters: ParameterBuffer<Float>) {
    let layout = parameters.layout
    for (name, parameter) in layout.parameters.map({ ($0.name, $0) })
      + layout.aliases.map({ ($0.name, $0.parameter) })
    {
      self[name] = ExportedTensor(parameter.shape, Array(parameters.elements(parameter)))
    }
  }

  package init() {}

  package subscript(name: String) -> ExportedTensor? {
    get { tensors[name] }
    set {
      if newValue == nil {
        names.removeAll { $0 == name }
      } else if tensors[name] == nil {
        names.append(name)
      }
      tensors[name] = newValue
    }
  }

  /// A weight that the model must have according to its shape.
  func required(_ name: String) -> ExportedTensor {
    guard let tensor = tensors[name] else { preconditionFailure("the model has no parameter \(name)") }
    return tensor
  }

  /// The size of all weights as 32-bit floats.
  var byteCount: Int { tensors.values.reduce(0) { $0 + 4 * $1.values.count } }

  mutating func rename(_ name: String, to newName: String) {
    guard let tensor = tensors[name] else { return }
    self[name] = nil
    self[newName] = tensor
  }

  /// Adds the constant of the forget gate to its bias, which the program keeps separately.
  fileprivate mutating func foldForgetBias(of network: RecurrentPart) {
    let (cell, units) = (network.options.cell, network.options.hiddenSize)
    guard cell.kind == .lstm, cell.forgetBias != 0 else { return }
    let first = cell.coupledGates ? 0 : units
    for suffix in network.layers.flatMap(\.suffixes) {
      let name = "\(network.name).bias_ih\(suffix)"
      var bias = required(name)
      for unit in first..<first + units { bias.values[unit] += Float(cell.forgetBias) }
      self[name] = bias
    }
  }

  fileprivate mutating func foldNormedV(of attention: String) {
    let (g, v) = (required("\(attention).v.weight_g").values[0], required("\(attention).v.weight_v"))
    let length = v.values.reduce(0) { $0 + $1 * $1 }.squareRoot()
    self["\(attention).v.weight_g"] = nil
    self["\(attention).v.weight_v"] = nil
    self["\(attention).v.weight"] = ExportedTensor(v.shape, v.values.map { g / length * $0 })
  }

  /// Writes a safetensors file with all weights as 32-bit floats. Throws `FileFailure`.
  package func write(to path: String, metadata: [String: String]) throws {
    // The arrays are views of these bytes until the file is written.
    let arrays = names.map { name in
      let tensor = required(name)
      let bytes = UnsafeMutableRawBufferPointer.allocate(
        byteCount: max(1, tensor.values.count * 4), alignment: 64)
      tensor.values.withUnsafeBytes { bytes.copyMemory(from: $0) }
      return (name: name, shape: tensor.shape, bytes: bytes, count: tensor.values.count * 4)
    }
    defer { for array in arrays { array.bytes.deallocate() } }
    try SafetensorsFile.write(
      to: path,
      tensors: arrays.map {
        TensorToWrite(
          name: $0.name, dtype: .float32, shape: $0.shape,
          bytes: UnsafeRawBufferPointer(rebasing: $0.bytes[..<$0.count]))
      }, metadata: metadata)
  }
}

// MARK: - Formats

/// The formats that a model can be exported to.
package enum ExportFormat: String, CaseIterable, Sendable {
  /// A directory with `model.py`, `model.safetensors` and the vocabularies.
  case pytorch
  /// A directory with one or two graphs and the vocabularies.
  case onnx
  /// One file of arrays.
  case npz
  /// One C file.
  case c
}

extension ExportedModel {
  /// Creates the directory of an export. Throws ``ExportFailure`` if it exists and is not empty, `FileFailure`.
  func createExportDirectory(_ path: String) throws {
    let files = FileManager.default
    if files.fileExists(atPath: path) {
      guard let names = try? files.contentsOfDirectory(atPath: path), names.isEmpty else {
        throw ExportFailure(
          "\(path) exists already and is not an empty directory: choose another path",
          exitCode: ExitCode.cannotCreate)
      }
    }
    try FileSystemOperations.standard.createDirectories(path)
  }
}
