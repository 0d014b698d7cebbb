import Checkpoints
import NumericKernels
import Parameters

/// A file of parameters can't be written or read, or it does not fit the model.
public struct ParameterFileError: Error, Sendable, Equatable, CustomStringConvertible {
  /// The problem.
  public enum Problem: Sendable, Equatable {
    /// The file can't be read or written, or violates the safetensors format.
    case file(String)
    /// The model has a parameter that is not in the file.
    case missing(parameter: String, shape: [Int])
    /// A tensor's shape differs from that of the parameter with the same name.
    case shape(parameter: String, expected: [Int], found: [Int])
    /// A tensor does not hold floating-point numbers.
    case type(parameter: String, found: String)
    /// The file has a tensor for which the model has no parameter.
    case unknown(tensor: String)
  }

  public let path: String
  public let problem: Problem

  package init(path: String, problem: Problem) {
    self.path = path
    self.problem = problem
  }

  /// The problem, without the path.
  package var explanation: String {
    switch problem {
    case .file(let message): message
    case .missing(let parameter, let shape): "has no \(parameter) of shape \(shape)"
    case .shape(let parameter, let expected, let found):
      "has \(parameter) with shape \(found), the model has shape \(expected)"
    case .type(let parameter, let found): "has \(parameter) with dtype \(found), not floating-point numbers"
    case .unknown(let tensor): "has \(tensor), which the model does not have"
    }
  }

  public var description: String {
    if case .file(let message) = problem { return message }
    return "\(path): \(explanation). Build the model with the sizes and options it was saved with."
  }
}

extension ParameterBuffer {
  /// Writes all parameters to a safetensors file, with PyTorch's names: torch's `load_state_dict` accepts them unchanged.
  ///
  /// Float is stored as F32, Double as F64. A tied parameter is written under each of its names, as in a state dictionary.
  /// An existing file at `path` is replaced only once the new one is complete. The file carries a digest of its content.
  ///
  /// - Throws: `ParameterFileError` with `ParameterFileError.Problem.file(_:)`. The old file is then kept.
  public func save(to path: String) throws(ParameterFileError) {
    do {
      try SafetensorsFile.write(to: path, tensors: tensors)
    } catch {
      throw ParameterFileError(path: path, problem: .file("\(error)"))
    }
  }

  /// Overwrites all parameters with those of a safetensors file that ``save(to:)``, rnn-dist or PyTorch wrote.
  ///
  /// Names and shapes must match the layout, without extra tensors; the names of tied parameters are optional. Any
  /// floating-point type is converted to `Element`. All of this, and the digest if there is one, is checked before
  /// anything is overwritten.
  ///
  /// - Throws: `ParameterFileError`, which names the file and the parameter.
  public func load(from path: String) throws(ParameterFileError) {
    do {
      let file = try SafetensorsFile(path: path)
      try layout.requireFit(of: file)
      try file.verifyDigest()
      try read(file)
    } catch let error as ParameterFileError {
      throw error
    } catch {
      throw ParameterFileError(path: path, problem: .file("\(error)"))
    }
  }

  /// The parameters as tensors of a file, in layout order, tied ones under each of their names. The buffer must outlive
  /// the tensors.
  package var tensors: [TensorToWrite] {
    (layout.parameters.map { ($0.name, $0) } + layout.aliases.map { ($0.name, $0.parameter) }).map {
      name, parameter in
      TensorToWrite(
        name: name, dtype: Self.storedType, shape: parameter.shape,
        bytes: UnsafeRawBufferPointer(UnsafeBufferPointer(elements(parameter))))
    }
  }

  /// Overwrites all parameters with those of a file that fits the layout.
  package func read(_ file: SafetensorsFile) throws {
    for parameter in layout.parameters {
      if file.tensors[parameter.name]?.dtype == Self.storedType {
        try file.read(parameter.name, into: UnsafeMutableRawBufferPointer(elements(parameter)))
      } else {
        let values = try file.readDoubles(parameter.name)
        _ = elements(parameter).update(fromContentsOf: values.map { Element($0) })
      }
    }
    didChange()
  }

  private static var storedType: TensorType { Element.self == Double.self ? .float64 : .float32 }
}

extension ParameterLayout {
  /// Throws unless a file has a floating-point tensor of the right shape for every parameter, and no other tensors.
  package func requireFit(of file: SafetensorsFile) throws(ParameterFileError) {
    func failure(_ problem: ParameterFileError.Problem) -> ParameterFileError {
      ParameterFileError(path: file.path, problem: problem)
    }
    for parameter in parameters {
      guard let tensor = file.tensors[parameter.name] else {
        throw failure(.missing(parameter: parameter.name, shape: parameter.shape))
      }
      guard tensor.shape == parameter.shape else {
        throw failure(.shape(parameter: parameter.name, expected: parameter.shape, found: tensor.shape))
      }
      guard [.float64, .float32, .float16, .bfloat16].contains(tensor.dtype) else {
        throw failure(.type(parameter: parameter.name, found: tensor.dtype.rawValue))
      }
    }
    if let name = file.names.first(where: { self[$0] == nil }) { throw failure(.unknown(tensor: name)) }
  }
}
