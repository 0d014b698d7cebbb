import Communication
import Metrics
import Tasks

/// Compares a metric of several models by the length of the source.
package struct LengthComparison {
  /// A model, and the name of its run.
  package typealias Run = (name: String, model: SavedModel)

  /// A group of lengths and the metric of each model for it; nil if the metric is undefined for the group.
  package struct Row {
    package var lengths: ClosedRange<Int>
    package var examples: Int
    package var values: [Double?]
  }

  private let runs: [Run]

  /// Throws ``TrainingFailure/unusableRun(path:problem:)`` unless all models can read the same file and have the same
  /// metrics.
  package init(_ runs: [Run]) throws {
    self.runs = runs
    for run in runs.dropFirst() where run.model.dataForm != runs[0].model.dataForm {
      throw TrainingFailure.unusableRun(
        path: run.name,
        problem:
          "was trained on \(run.model.dataForm), \(runs[0].name) on \(runs[0].model.dataForm): "
          + "they can't be compared")
    }
  }

  /// The runs that were trained on different data than the first, or hold out different validation examples. They may
  /// have been trained on examples that the first run has held out.
  package var runsOfOtherData: [String] {
    runs.dropFirst().filter { !$0.model.configuration.holdsOutTheSame(as: runs[0].model.configuration) }
      .map(\.name)
  }

  /// Evaluates all models on a split of the first run, in groups of `width` lengths; nil if the run has no such split.
  package func measure(_ metric: Metric, on split: DataSplit, width: Int) throws
    -> [Row]?
  {
    let splits = try runs.compactMap { try $0.model.data(split, of: runs[0].model) }
    return splits.count == runs.count ? try measure(metric, splits, width) : nil
  }

  /// Evaluates all models on the examples of a file in the same way.
  package func measure(_ metric: Metric, onFile path: String, width: Int) throws
    -> [Row]
  {
    try measure(metric, runs.map { try $0.model.data(file: path) }, width)
  }

  /// Each model reads the examples with its own vocabularies.
  private func measure(
    _ metric: Metric, _ splits: [HeldOutData], _ width: Int
  ) throws -> [Row] {
    for (run, split) in zip(runs, splits) where split.exampleCount != splits[0].exampleCount {
      throw TrainingFailure.unusableRun(
        path: run.name,
        problem:
          "reads \(split.exampleCount) of the examples, \(runs[0].name) \(splits[0].exampleCount): their limits differ"
      )
    }
    // Lengths are those of the first run, because another model may read characters instead of words.
    let lengths = splits[0].sourceLengths
    let communicator = SoloCommunicator()
    return try Set(lengths.map { $0 / width }).sorted().map { group in
      let range = group * width...group * width + width - 1
      let results = try zip(runs, splits).map { run, split in
        try run.model.score(split, communicator: communicator) { range.contains(lengths[Int($0)]) }
      }
      return Row(lengths: range, examples: results[0].examples, values: results.map { $0[metric] })
    }
  }
}
