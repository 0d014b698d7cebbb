import Datasets
import Foundation
import Metrics
import NumericKernels
import RecurrentNN

/// A learner of models with one target per example: they differ in what they read.
package protocol LabelLearner: Learner where Data == ExampleSet {
  var outputs: LabelOutputs { get }
  /// The outputs of the model for some examples.
  func output(
    _ examples: [Int32], _ split: ExampleSet, _ workspace: Workspace<Float>
  ) -> ClassifierPrediction<Float>.Output
}

extension LabelLearner {
  package var abilities: ModelAbilities { outputs.abilities }

  package func tally(
    _ groups: [ArraySlice<Int32>], of split: ExampleSet, _ workspace: Workspace<Float>
  ) throws -> ScoreSums {
    let examples = groups.compactMap(\.first)
    return outputs.tally(output(examples, split, workspace), of: examples, in: split)
  }

  package func result(of sums: ScoreSums) -> EvaluationResult { outputs.result(of: sums) }

  package func predict(
    _ examples: [Int32], of split: ExampleSet, _ options: PredictionOptions, _ workspace: Workspace<Float>
  ) throws -> [Prediction] {
    try check(split)
    return outputs.predictions(output(examples, split, workspace), count: options.count)
  }
}

/// The part shared by models with one target per example: a class or numbers as the target, its metrics, and
/// predictions as text.
package struct LabelOutputs {
  let output: OutputShape
  private let labels: LabelVocabulary?
  private let scale: Standardization?
  /// Rows of a forecast, and of a season; 0 if there are none.
  private let horizon: Int
  private let season: Int
  private let metrics = MetricGroup.labels(markSpans: false)

  /// Throws ``TrainingFailure/unfittingData(_:)`` if the model predicts a class and the data have no classes.
  init(_ configuration: RunConfiguration, _ encoding: DataEncoding) throws {
    (labels, scale) = (encoding.labels, encoding.targetScale)
    (horizon, season) = (configuration.data.horizon, configuration.data.season)
    let width = encoding.targetWidth ?? 1
    if configuration.model.output == .linear {
      output = .linear(size: width)
    } else if configuration.model.output == .quantile {
      output = .quantiles(size: width, levels: configuration.model.quantiles)
    } else if let labels {
      output = .softmax(classes: labels.count)
    } else {
      throw TrainingFailure.unfittingData(
        "the data hold no classes: model.output must be linear or quantile for numbers")
    }
  }

  var abilities: ModelAbilities {
    var abilities = ModelAbilities()
    abilities.ranksOutputs = output.kind == .softmax
    abilities.scoresOutputs = output.kind.hasPerplexity
    return abilities
  }

  /// Returns the targets of some examples in arena memory; nil if the data have no targets.
  func targets(
    of examples: [Int32], in split: ExampleSet, _ arena: Arena<Float>
  ) -> OutputTargets<Float>? {
    switch split.target {
    case .labels(let labels):
      let chosen = arena.buffer(max(1, examples.count), of: Int32.self)
      for (index, example) in examples.enumerated() { chosen[index] = labels[Int(example)] }
      return .classes(UnsafePointer(chosen.baseAddress!))
    case .vectors(let numbers):
      return .numbers(arena.vectors(examples, of: numbers).values.base, width: numbers.width)
    case .tokens, .none:
      return nil
    }
  }

  /// The sums behind the metrics.
  func tally(
    _ found: ClassifierPrediction<Float>.Output, of examples: [Int32], in split: ExampleSet
  ) -> ScoreSums {
    if case .numbers(let predicted) = found, let numbers = split.target?.vectorSequences {
      return ScoreSums(tallies: numberSums(predicted, numbers, of: examples, split.naive))
    }
    guard let labels = split.target?.classLabels, case .classes(let predicted, _) = found else {
      return ScoreSums()
    }
    let reference = examples.map { labels[Int($0)] }
    var sums = ScoreSums(
      tallies: metrics.sums(of: [LabelExample(predicted: predicted, reference: reference)]))
    sums.confusion.add(predicted: predicted, reference: reference)
    return sums
  }

  private func numberSums(
    _ predicted: [Float], _ numbers: RaggedVectors, of examples: [Int32], _ naive: NaiveForecasts?
  ) -> [Double] {
    let reference = examples.flatMap { numbers[Int($0)] }
    let persistence = naive.map { naive in
      examples.flatMap { naive.persistence(Int($0), horizon: horizon) }
    }
    let seasonal = naive.flatMap { naive in
      season > 0 ? examples.flatMap { naive.seasonal(Int($0), horizon: horizon, season: season) } : nil
    }
    return MetricGroup.numbers.sums(of: [
      NumberExample(
        predicted: inUnits(predicted, outputs: output.unitsPerNumber), reference: inUnits(reference),
        levels: output.levels, persistence: persistence, seasonalNaive: seasonal)
    ])
  }

  /// Numbers of the model in the units of the data, those of `outputs` outputs for each side by side. Quantiles that cross are
  /// put in order.
  private func inUnits(_ numbers: [Float], outputs: Int = 1) -> [Float] {
    let values = scale?.undo(numbers, outputs: outputs) ?? numbers
    guard outputs > 1 else { return values }
    return stride(from: 0, to: values.count, by: outputs).flatMap { values[$0..<$0 + outputs].sorted() }
  }

  func result(of sums: ScoreSums) -> EvaluationResult {
    var result = EvaluationResult(
      loss: sums.loss, examples: sums.examples, hasPerplexity: output.kind.hasPerplexity,
      compared: sums.tallies.isEmpty
        ? []
        : output.kind.isScaled
          ? MetricGroup.numbers.values(of: sums.tallies) : metrics.values(of: sums.tallies))
    result.classes = labels.flatMap { ClassReport($0, sums) }
    return result
  }

  /// - Parameter count: the number of classes for each example, the most probable first.
  func predictions(_ found: ClassifierPrediction<Float>.Output, count: Int) -> [Prediction] {
    switch found {
    case .classes(let ids, let probabilities):
      return ids.indices.map {
        ranked(Array(probabilities[$0 * output.size..<($0 + 1) * output.size]), count)
      }
    case .numbers(let scaled):
      let values = inUnits(scaled, outputs: output.unitsPerNumber)
      let width = output.size * output.unitsPerNumber
      return stride(from: 0, to: values.count, by: width).map { first in
        Prediction(lines: [Array(text(of: values[first..<first + width]).utf8)])
      }
    }
  }

  /// Numbers with commas between them; those of each step of a forecast after a space.
  private func text(of numbers: ArraySlice<Float>) -> String {
    let step = numbers.count / max(1, horizon)
    return stride(from: numbers.startIndex, to: numbers.endIndex, by: step).map { start in
      numbers[start..<start + step].map { "\($0)" }.joined(separator: ",")
    }.joined(separator: " ")
  }

  /// The most probable classes of an example with their probabilities. Ties are in the order of the classes.
  private func ranked(_ probabilities: [Float], _ count: Int) -> Prediction {
    let order = probabilities.indices.sorted { (probabilities[$0], $1) > (probabilities[$1], $0) }
      .prefix(count)
    let names = labels?.names ?? probabilities.indices.map { "\($0)" }
    var prediction = Prediction(
      lines: order.map { Array(names[$0].utf8) }, scores: order.map { Double(probabilities[$0]) })
    prediction.logProbabilities = prediction.scores.map { log($0) }
    prediction.classes = zip(names, probabilities).map { ($0, Double($1)) }
    return prediction
  }
}
