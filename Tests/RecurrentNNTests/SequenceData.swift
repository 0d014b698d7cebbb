import NumericKernels
import Parameters
import RecurrentNN

/// Concatenated sequences, written out in the tests; any of them can be extracted.
struct SequenceData: Sendable {
  enum Content: Sendable {
    case tokens([Int])
    case words([Int], index: [Int], lengths: [Int], characters: [Int])
    case vectors([Double], width: Int)
  }

  let lengths: [Int]
  let content: Content

  /// The steps of a sequence.
  func steps(_ sequence: Int) -> Range<Int> {
    let start = lengths[..<sequence].reduce(0, +)
    return start..<start + lengths[sequence]
  }

  /// One sequence alone.
  subscript(sequence: Int) -> SequenceData { self[[sequence]] }

  /// Some of the sequences.
  subscript(sequences: [Int]) -> SequenceData {
    let steps = sequences.map(steps)
    let part: Content =
      switch content {
      case .tokens(let tokens): .tokens(steps.flatMap { tokens[$0] })
      case .words(let tokens, let index, let lengths, let characters):
        .words(
          steps.flatMap { tokens[$0] }, index: steps.flatMap { index[$0] }, lengths: lengths,
          characters: characters
        )
      case .vectors(let values, let width):
        .vectors(steps.flatMap { values[$0.lowerBound * width..<$0.upperBound * width] }, width: width)
      }
    return SequenceData(lengths: sequences.map { lengths[$0] }, content: part)
  }

  func input<Element>(_ scratch: Scratch<Element>) -> InputSequences<Element> {
    let content: InputSequences<Element>.Content =
      switch content {
      case .tokens(let tokens): .tokens(scratch.indices(tokens), characters: nil)
      case .words(let tokens, let index, let lengths, let characters):
        .tokens(
          scratch.indices(tokens),
          characters: .init(
            index: scratch.indices(index), lengths: lengths, characters: scratch.indices(characters)))
      case .vectors(let values, let width): .vectors(scratch.numbers(values), width: width)
      }
    return InputSequences(lengths: lengths, content: content)
  }
}

/// Concatenated targets of steps or of sequences.
enum TargetData: Sendable {
  case classes([Int])
  case bits([Double], width: Int)
  case numbers([Double], width: Int)

  /// The targets of some rows.
  subscript(rows ranges: [Range<Int>]) -> TargetData {
    func numbers(_ values: [Double], _ width: Int) -> [Double] {
      ranges.flatMap { values[$0.lowerBound * width..<$0.upperBound * width] }
    }
    return switch self {
    case .classes(let classes): .classes(ranges.flatMap { classes[$0] })
    case .bits(let values, let width): .bits(numbers(values, width), width: width)
    case .numbers(let values, let width): .numbers(numbers(values, width), width: width)
    }
  }

  func rows<Element>(_ scratch: Scratch<Element>) -> OutputTargets<Element> {
    switch self {
    case .classes(let classes): .classes(scratch.indices(classes))
    case .bits(let values, let width): .bits(scratch.numbers(values), width: width)
    case .numbers(let values, let width): .numbers(scratch.numbers(values), width: width)
    }
  }
}

extension Scratch {
  /// A copy of some numbers.
  func numbers(_ values: [Double]) -> UnsafePointer<Element> {
    UnsafePointer(matrix(Tensor([1, values.count], values.map { Element($0) })).base)
  }
}

/// A tagger or a classifier.
protocol LabelingModel<Element> {
  associatedtype Element: Scalar
  var layout: ParameterLayout { get }
  func evaluate(
    _ batch: LabeledBatch<Element>, labelSmoothing: Double, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> LossSum
}

extension SequenceTagger: LabelingModel {}
extension SequenceClassifier: LabelingModel {}

extension LabelingModel {
  /// The loss of data without masks.
  func evaluate(
    _ data: SequenceData, _ targets: TargetData, _ scratch: Scratch<Element>, smoothing: Double = 0,
    into gradients: ParameterBuffer<Element>? = nil, _ context: LayerContext<Element>
  ) -> LossSum {
    evaluate(
      LabeledBatch(input: data.input(scratch), targets: targets.rows(scratch)),
      labelSmoothing: smoothing, into: gradients, context)
  }
}
