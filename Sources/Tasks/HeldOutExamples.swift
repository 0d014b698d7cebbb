import Datasets
import Foundation
import NumericKernels
import RecurrentNN
import RunLog

/// A held-out example with the output of a model.
package struct HeldOutExample {
  /// The source texts; there are two for tasks with a second source.
  package var sources: [String]
  package var output: Prediction
  /// The correct targets: the target of the example or, if references are grouped, those of all examples with the same
  /// sources.
  package var expected: [String]
}

extension Learner {
  /// Returns the outputs for the first examples of a split that differ in their sources. The result is empty if the
  /// sources are not texts.
  package func heldOutExamples(
    _ count: Int, of split: ExampleSet, _ encoding: DataEncoding, _ configuration: RunConfiguration,
    keepsAttention: Bool, _ workspace: Workspace<Float>
  ) throws -> [HeldOutExample] {
    guard let texts = split.sourceTexts, split.count > 0 else { return [] }
    let sources = [texts] + (split.secondSourceTexts.map { [$0] } ?? [])
    let groups = groups(of: split, sources: sources).prefix(count)
    let outputs = try predict(
      groups.map { $0[0] }, of: split, PredictionOptions(keepsAttention: keepsAttention), workspace)
    return zip(groups, outputs).map { group, output in
      HeldOutExample(
        sources: sources.map { String(decoding: $0[Int(group[0])], as: UTF8.self) }, output: output,
        expected: (configuration.evaluation.groupReferences ? group : [group[0]]).compactMap {
          target(of: Int($0), in: split, encoding)
        })
    }
  }

  /// The examples of each source. The sources are in the order of the data.
  private func groups(of split: ExampleSet, sources: [TextLines]) -> [[Int32]] {
    var places: [[UInt8]: Int] = [:]
    var groups: [[Int32]] = []
    for example in 0..<split.count {
      let source = Array(sources.map { Array($0[example]) }.joined(separator: [0]))
      if let place = places[source] {
        groups[place].append(Int32(example))
      } else {
        places[source] = groups.count
        groups.append([Int32(example)])
      }
    }
    return groups
  }

  /// The target of an example as text: a text, a class, one tag per step, or numbers.
  private func target(of example: Int, in split: ExampleSet, _ encoding: DataEncoding) -> String? {
    if let texts = split.targetTexts { return String(decoding: texts[example], as: UTF8.self) }
    if case .vectors(let numbers) = split.target {
      return numbers[example].map { String(format: "%g", $0) }.joined(separator: " ")
    }
    guard let labels = encoding.labels else { return nil }
    func name(_ id: Int32) -> String { id == LabelVocabulary.unknown ? "<never learned>" : labels[id] }
    return switch split.target {
    case .labels(let classes): name(classes[example])
    case .tokens(let tags): tags[example].map(name).joined(separator: " ")
    case .vectors, .none: nil
    }
  }
}

// MARK: - Samples of a run

extension Learner {
  /// Returns samples of the current model: outputs for held-out examples, or texts that it generates. Every evaluation
  /// uses the same examples and seeds, so that the samples show how the model changes.
  ///
  /// - Parameters:
  ///   - examples: the held-out examples; nil without held-out data.
  func samples(
    _ count: Int, of examples: ExampleSet?, _ encoding: DataEncoding, _ configuration: RunConfiguration,
    _ workspace: Workspace<Float>
  ) throws -> [RunSamples.Sample] {
    workspace.arena.reset()
    switch abilities.writesAfter {
    case .prompt:
      return [RunSamples.Sample(output: try sampledText(encoding.stream, configuration, workspace))]
    case .nothing:
      return [RunSamples.Sample(output: try sampledText(encoding.target, configuration, workspace))]
    case .condition, nil:
      let attends = abilities.attends
      return try examples.map {
        try heldOutExamples(count, of: $0, encoding, configuration, keepsAttention: attends, workspace)
      }.map { $0.map(RunSamples.Sample.init) } ?? []
    }
  }

  private func sampledText(
    _ vocabulary: Vocabulary?, _ configuration: RunConfiguration, _ workspace: Workspace<Float>
  ) throws -> String {
    guard let vocabulary else { return "" }
    var beginning = TextBeginning()
    beginning.maximumLength = vocabulary.unit == .byte || vocabulary.unit == .char ? 200 : 40
    let sampling = TextSampling(SamplingOptions(temperature: 0.8), seed: UInt64(configuration.seed))
    var ids: [Int32] = []
    try writer(of: beginning, workspace).write(count: 1, sampling) { _, id in
      ids.append(id)
      return true
    }
    return String(decoding: vocabulary.decode(ids), as: UTF8.self)
  }
}

extension RunSamples.Sample {
  init(_ example: HeldOutExample) {
    self.init(
      sources: example.sources,
      output: String(decoding: example.output.lines.first ?? [], as: UTF8.self), expected: example.expected,
      attention: example.output.attention.map { matrix in
        RunSamples.Attention(
          source: matrix.sourceLabels, output: matrix.outputLabels,
          weights: matrix.weights.map { $0.map { Float($0) } })
      })
  }
}
