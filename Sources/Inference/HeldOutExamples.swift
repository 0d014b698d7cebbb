import Datasets
import Foundation
import Tasks

/// A held-out example with the output of a model.
package struct HeldOutExample {
  /// The source texts; two for tasks with a second source.
  package var sources: [String]
  package var output: Prediction
  /// The targets that are right: that of the example or, if references are grouped, of all examples with the same sources.
  package var expected: [String]
}

extension SavedModel {
  /// The outputs for the first validation examples with different sources; none if the data have no texts as sources.
  package func heldOutExamples(_ count: Int, keepsAttention: Bool) throws -> [HeldOutExample] {
    guard let split = try examples(.valid), let texts = split.sourceTexts, split.count > 0 else { return [] }
    let sources = [texts] + (split.secondSourceTexts.map { [$0] } ?? [])
    let groups = Self.groups(of: split, sources: sources).prefix(count)
    let outputs = try predict(
      groups.map { $0[0] }, of: split, PredictionOptions(keepsAttention: keepsAttention))
    return zip(groups, outputs).map { group, output in
      HeldOutExample(
        sources: sources.map { String(decoding: $0[Int(group[0])], as: UTF8.self) }, output: output,
        expected: (configuration.evaluation.groupReferences ? group : [group[0]]).compactMap {
          target(of: Int($0), in: split)
        })
    }
  }

  /// The examples of each source, sources in the order of the data.
  private static func groups(of split: ExampleSet, sources: [TextLines]) -> [[Int32]] {
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
  private func target(of example: Int, in split: ExampleSet) -> String? {
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
