import Checkpoints
import Communication
import Configuration
import Parameters
import Tasks

/// A weights file, written by this program or another one, from which a run is created.
///
/// The names must be those of the model, which are PyTorch's, after some prefixes have been renamed. Options that names
/// and shapes don't show, and that nn.RNN, nn.GRU and nn.LSTM don't have, are accepted only if they are in the metadata
/// of the file.
package struct ImportedWeights {
  /// A replacement of a name prefix: `lstm=rnn` changes `lstm.bias_ih_l0` to `rnn.bias_ih_l0`; `module=` removes a prefix.
  package struct Renaming: Sendable, Equatable {
    let old: String
    let new: String

    /// nil unless the text is `OLD=NEW`.
    package init?(_ text: String) {
      let parts = text.split(separator: "=", maxSplits: 1, omittingEmptySubsequences: false)
      guard parts.count == 2, !parts[0].isEmpty else { return nil }
      (old, new) = (String(parts[0]), String(parts[1]))
    }

    fileprivate func apply(to name: String) -> String {
      guard name == old || name.hasPrefix(old + ".") else { return name }
      let rest = name.dropFirst(old.count)
      return new.isEmpty ? String(rest.dropFirst()) : new + rest
    }
  }

  private let file: SafetensorsFile
  /// The name in the file for each name in the model.
  private let sources: [String: String]
  /// Decisions made on the user's behalf, one per line.
  package private(set) var notes: [String] = []

  /// Opens and verifies a file. Throws ``ImportFailure``, `FileFailure`, `SafetensorsFailure`.
  package init(path: String, renaming: [Renaming]) throws {
    file = try SafetensorsFile(path: path)
    try file.verifyDigest()
    var sources: [String: String] = [:]
    for name in file.names {
      let renamed = Self.stacked(renaming.reduce(name) { $1.apply(to: $0) })
      if let first = sources.updateValue(name, forKey: renamed) {
        throw ImportFailure("\(path): \(first) and \(name) would both be called \(renamed); change --rename")
      }
    }
    self.sources = sources
  }

  /// The layers of a pyramid are separate modules in an exported model: `encoder.rnn.1.weight_ih_l0` is
  /// `encoder.rnn.weight_ih_l1`.
  private static func stacked(_ name: String) -> String {
    var parts = name.split(separator: ".").map(String.init)
    guard parts.count > 2, let layer = Int(parts[parts.count - 2]), parts[parts.count - 3] == "rnn" else {
      return name
    }
    let last = parts.removeLast()
    parts.removeLast()
    let isReverse = last.hasSuffix("_l0_reverse")
    guard isReverse || last.hasSuffix("_l0") else { return name }
    let stem = last.dropLast(isReverse ? "_l0_reverse".count : "_l0".count)
    return (parts + ["\(stem)_l\(layer)\(isReverse ? "_reverse" : "")"]).joined(separator: ".")
  }

  // MARK: - The function

  /// Constants of a cell that nn.RNN, nn.GRU and nn.LSTM don't have and that no shape shows.
  private static let cellConstants = [
    "model.forget_bias", "model.gru_reset", "model.cell_clip", "model.zoneout", "model.zoneout_cell",
    "model.residual",
  ]
  /// Choices that no shape shows, but that the author of every PyTorch module has made.
  private static let choices = [
    "model.activation", "model.pooling", "model.attention", "model.attention_query", "model.bridge",
    "model.summary", "data.reverse_source",
  ]

  /// Throws ``ImportFailure`` if the metadata show that the weights were made for a model that computes something else
  /// than this configuration. Adds notes for choices that the file does not contain.
  package mutating func requireSameFunction(as configuration: RunConfiguration) throws(ImportFailure) {
    if let difference = configuration.modelDifference(from: file.metadata) {
      throw ImportFailure(
        """
        \(file.path) records \(difference.key) \(difference.recorded), the configuration says \(difference.own): \
        set \(difference.key)=\(difference.recorded)
        """)
    }
    let (own, plain) = (configuration.modelMetadata, Self.plainMetadata(configuration))
    for key in Self.cellConstants where file.metadata[key] == nil {
      guard let value = own[key], value != plain[key] else { continue }
      throw ImportFailure(
        """
        \(file.path) does not say that its model has \(key) \(value), and no module of PyTorch has it: set \
        \(key)=\(plain[key] ?? "null"), or record "\(key)": "\(value)" in the metadata of the file
        """)
    }
    let chosen = Self.choices.filter { own[$0] != nil && file.metadata[$0] == nil }
    if !chosen.isEmpty {
      notes.append(
        "the file does not record these, the configuration decides: "
          + chosen.map { "\($0)=\(own[$0] ?? "")" }.joined(separator: " "))
    }
  }

  /// The metadata of a model without options.
  private static func plainMetadata(_ configuration: RunConfiguration) -> [String: String] {
    var plain = RunConfiguration()
    plain.task = configuration.task
    return plain.modelMetadata
  }

  // MARK: - The values

  /// The parameters of a model. Biases that are missing in the file are zero, like those of modules with `bias=False`.
  ///
  /// Throws ``ImportFailure`` with every name that is missing or left over, and `FileFailure`.
  package mutating func parameters(of layout: ParameterLayout) throws -> ParameterBuffer<Float> {
    try requireFit(of: layout)
    let buffer = ParameterBuffer<Float>(layout)
    for parameter in layout.parameters {
      guard let source = source(of: parameter, layout) else { continue }
      let values = try file.readDoubles(source)
      _ = buffer.elements(parameter).update(fromContentsOf: values.map { Float($0) })
    }
    buffer.didChange()
    return buffer
  }

  /// The name of a parameter in the file, which may have it only under its second name.
  private func source(of parameter: Parameter, _ layout: ParameterLayout) -> String? {
    sources[parameter.name]
      ?? layout.aliases.lazy.filter { $0.parameter == parameter }.compactMap { sources[$0.name] }.first
  }

  private mutating func requireFit(of layout: ParameterLayout) throws {
    var (problems, missing): ([String], [Parameter]) = ([], [])
    var absentBiases: [String] = []
    for parameter in layout.parameters {
      guard let source = source(of: parameter, layout), let tensor = file.tensors[source] else {
        if Self.isOptional(parameter.name) {
          absentBiases.append(parameter.name)
        } else {
          missing.append(parameter)
        }
        continue
      }
      if tensor.shape != parameter.shape {
        problems.append("\(source) has shape \(tensor.shape), the model \(parameter.shape)")
      } else if ![.float64, .float32, .float16, .bfloat16].contains(tensor.dtype) {
        problems.append("\(source) has dtype \(tensor.dtype.rawValue), not floating-point numbers")
      }
    }
    // Scales are not parameters; they are compared in `requireScales`.
    let left = sources.filter {
      layout[$0.key] == nil && !ExportedModel.possibleScaleNames.contains($0.key)
    }.values.sorted()
    problems += missing.map { "there is no \($0.name) \($0.shape)" }
    problems += left.map { "the model has no \($0) \(file.tensors[$0]?.shape ?? [])" }
    problems += try unequalAliases(layout)
    guard problems.isEmpty else {
      let hints = suggestions(for: missing, from: left)
      throw ImportFailure(
        "\(file.path) does not fit the model of the configuration:\n  " + problems.joined(separator: "\n  ")
          + (hints.isEmpty ? "" : "\nTry " + hints.joined(separator: " ")))
    }
    if !absentBiases.isEmpty {
      notes.append("not in the file, set to zero: " + absentBiases.joined(separator: ", "))
    }
  }

  private static func isOptional(_ name: String) -> Bool {
    name.contains(".bias_ih_l") || name.contains(".bias_hh_l") || name.hasSuffix("output.bias")
  }

  /// Two names of one parameter must have the same values.
  private func unequalAliases(_ layout: ParameterLayout) throws -> [String] {
    try layout.aliases.compactMap { alias, parameter in
      guard let first = sources[parameter.name], let second = sources[alias],
        file.tensors[first]?.shape == file.tensors[second]?.shape,
        try file.readDoubles(first) != file.readDoubles(second)
      else { return nil }
      return "\(first) and \(second) differ, but the model ties them: set model.tie_embeddings=false"
    }
  }

  /// Throws ``ImportFailure`` if the file has scales of numbers and they are not those of the run, and `FileFailure`. A file
  /// without scales, as other programs write it, is accepted.
  ///
  /// - Parameter own: the scales of the run under their names.
  func requireScales(_ own: [(name: String, tensor: ExportedTensor)]) throws {
    let names = ExportedModel.possibleScaleNames.filter { sources[$0] != nil }
    guard !names.isEmpty else { return }
    let origin = "name the directory of the export or of its run with --vocabularies"
    if let name = names.first(where: { name in !own.contains { $0.name == name } }) {
      // Without scaling, only missing numbers have a mean.
      let key = names == [ExportedModel.sourceMean] ? "data.missing=mask" : "data.scaling=standard"
      throw ImportFailure(
        "\(file.path) has \(name), but the numbers of this import are not scaled by it: set \(key), and \(origin)"
      )
    }
    for (name, tensor) in own {
      guard let source = sources[name], let found = file.tensors[source] else {
        throw ImportFailure(
          "\(file.path) has \(names.joined(separator: ", ")) but no \(name), which the configuration needs: "
            + "set data.scaling=none")
      }
      let isEqual =
        try found.shape == tensor.shape && file.readDoubles(source).map { Float($0) } == tensor.values
      guard isEqual else {
        throw ImportFailure(
          "\(file.path): \(name) differs from that of the data of this import: \(origin)")
      }
    }
  }

  /// Suggests `--rename OLD=NEW` for prefixes in the file under which all missing parameters of a module have the right
  /// shapes.
  private func suggestions(for missing: [Parameter], from left: [String]) -> [String] {
    func split(_ name: String) -> (prefix: String, last: String) {
      guard let dot = name.lastIndex(of: ".") else { return ("", name) }
      return (String(name[..<dot]), String(name[name.index(after: dot)...]))
    }
    let candidates = Set(left.map { split($0).prefix }).subtracting([""])
    return Dictionary(grouping: missing) { split($0.name).prefix }.sorted { $0.key < $1.key }.compactMap {
      prefix, parameters in
      let fitting = candidates.filter { candidate in
        parameters.allSatisfy { file.tensors["\(candidate).\(split($0.name).last)"]?.shape == $0.shape }
      }
      guard fitting.count == 1, let only = fitting.first else { return nil }
      return "--rename \(only)=\(prefix)"
    }
  }
}

/// The weights can't be imported.
package struct ImportFailure: Error, CustomStringConvertible, Equatable, ExitCoded {
  package let description: String
  /// 65: the file does not fit the configuration.
  package let exitCode: Int32 = ExitCode.badData

  package init(_ description: String) { self.description = description }
}
