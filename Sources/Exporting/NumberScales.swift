import Datasets
import RecurrentNN
import Tasks

/// The scales of the numbers that a model reads and writes (`data.scaling`, `data.missing`), as weights of the exported model. It
/// reads and writes numbers in the units of the data:
///
///     x = (known x or mean - source_mean) / source_deviation, followed by 1 for each known number of a step and 0 for others
///     y = y * target_deviation + target_mean
extension ExportedModel {
  static let sourceMean = "source_mean"
  static let sourceDeviation = "source_deviation"
  static let targetMean = "target_mean"
  static let targetDeviation = "target_deviation"
  /// The names of all scales that a model can have.
  static let possibleScaleNames = [sourceMean, sourceDeviation, targetMean, targetDeviation]

  /// The names of the scales that the model has.
  var scaleNames: [String] { Self.possibleScaleNames.filter { weights[$0] != nil } }

  /// Whether inputs are NaN where a number is missing.
  var readsMissing: Bool { encoding.sourceScale != nil && configuration.data.missing == .mask }
  var scalesSource: Bool { encoding.sourceScale?.scales == true }
  var scalesTarget: Bool { weights[Self.targetMean] != nil }

  /// The numbers per step that a caller passes to a model that reads `width` numbers.
  func callerWidth(_ width: Int) -> Int { readsMissing ? width / 2 : width }

  /// Returns the scales of a model under their names.
  static func scales(
    of shape: ModelShape?, _ encoding: DataEncoding, _ configuration: RunConfiguration
  ) -> [(name: String, tensor: ExportedTensor)] {
    var scales: [(name: String, tensor: ExportedTensor)] = []
    func add(_ name: String, _ values: [Float]) {
      scales.append((name, ExportedTensor([values.count], values)))
    }
    if let source = encoding.sourceScale {
      // The marks of missing numbers are not scaled.
      let width = configuration.data.missing == .mask ? source.means.count / 2 : source.means.count
      add(sourceMean, Array(source.means.prefix(width)))
      if source.scales { add(sourceDeviation, Array(source.deviations.prefix(width))) }
    }
    if let target = encoding.targetScale, target.scales, let output = shape?.output {
      // The columns of the table, for each step of a forecast, and for each quantile.
      let columns = (0..<output.units).map { target.column(ofUnit: $0, outputs: output.unitsPerNumber) }
      add(targetMean, columns.map { target.means[$0] })
      add(targetDeviation, columns.map { target.deviations[$0] })
    }
    return scales
  }
}

extension ModelShape {
  /// The output of a model of one or more numbers, bits or names per sequence or step; nil for models that write sequences.
  var output: OutputShape? {
    switch self {
    case .tagger(let shape): shape.output
    case .classifier(let shape), .matcher(let shape): shape.output
    case .languageModel, .generator, .encoderDecoder: nil
    }
  }
}

extension OutputShape {
  /// The units of the output layer.
  var units: Int { size * unitsPerNumber }
  /// The extents of the output of a sequence or step.
  var extents: [Int] { kind == .quantile ? [size, unitsPerNumber] : [size] }
}
