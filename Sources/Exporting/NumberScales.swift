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

  /// The names of the scales that the model has.
  var scaleNames: [String] {
    [Self.sourceMean, Self.sourceDeviation, Self.targetMean, Self.targetDeviation].filter {
      weights[$0] != nil
    }
  }

  /// Whether inputs are NaN where a number is missing.
  var readsMissing: Bool { encoding.sourceScale != nil && configuration.data.missing == .mask }
  var scalesSource: Bool { encoding.sourceScale?.scales == true }
  var scalesTarget: Bool { weights[Self.targetMean] != nil }

  /// The numbers per step that a caller passes to a model that reads `width` numbers.
  func callerWidth(_ width: Int) -> Int { readsMissing ? width / 2 : width }

  /// The output of a model of one or more numbers, bits or names per sequence or step; nil for models that write sequences.
  var output: OutputShape? {
    switch shape {
    case .tagger(let shape): shape.output
    case .classifier(let shape), .matcher(let shape): shape.output
    case .languageModel, .generator, .encoderDecoder: nil
    }
  }

  /// Returns the scales under their names.
  func scales() -> [(name: String, tensor: ExportedTensor)] {
    var scales: [(name: String, tensor: ExportedTensor)] = []
    func add(_ name: String, _ values: [Float]) {
      scales.append((name, ExportedTensor([values.count], values)))
    }
    if let source = encoding.sourceScale {
      let width = callerWidth(source.means.count)
      add(Self.sourceMean, Array(source.means.prefix(width)))
      if source.scales { add(Self.sourceDeviation, Array(source.deviations.prefix(width))) }
    }
    if let target = encoding.targetScale, target.scales, let output {
      // The columns of the table, for each step of a forecast, and for each quantile.
      let columns = (0..<output.units).map { $0 / output.unitsPerNumber % target.means.count }
      add(Self.targetMean, columns.map { target.means[$0] })
      add(Self.targetDeviation, columns.map { target.deviations[$0] })
    }
    return scales
  }
}

extension OutputShape {
  /// The quantiles of each number; 1 for other outputs.
  var unitsPerNumber: Int { max(1, levels.count) }
  /// The units of the output layer.
  var units: Int { size * unitsPerNumber }
  /// The extents of the output of a sequence or step.
  var extents: [Int] { kind == .quantile ? [size, unitsPerNumber] : [size] }
}
