import NumericKernels
import Parameters
import RecurrentNN

/// Sequences one after the other as the tests write them down; any of them can be cut out.
struct SequenceData: Sendable {
  enum Content: Sendable {
    case tokens([Int])
    case words([Int], index: [Int], lengths: [Int], letters: [Int])
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
  subscript(sequence: Int) -> SequenceData {
    let steps = steps(sequence)
    let part: Content =
      switch content {
      case .tokens(let tokens): .tokens(Array(tokens[steps]))
      case .words(let tokens, let index, let lengths, let letters):
        .words(Array(tokens[steps]), index: Array(index[steps]), lengths: lengths, letters: letters)
      case .vectors(let values, let width):
        .vectors(Array(values[steps.lowerBound * width..<steps.upperBound * width]), width: width)
      }
    return SequenceData(lengths: [lengths[sequence]], content: part)
  }

  func input<Element>(_ scratch: Scratch<Element>) -> InputSequences<Element> {
    let content: InputSequences<Element>.Content =
      switch content {
      case .tokens(let tokens): .tokens(scratch.indices(tokens), characters: nil)
      case .words(let tokens, let index, let lengths, let letters):
        .tokens(
          scratch.indices(tokens),
          characters: .init(
            index: scratch.indices(index), lengths: lengths, characters: scratch.indices(letters)))
      case .vectors(let values, let width): .vectors(scratch.numbers(values), width: width)
      }
    return InputSequences(lengths: lengths, content: content)
  }
}

/// Targets of steps or of sequences, one after the other.
enum TargetData: Sendable {
  case classes([Int])
  case bits([Double], width: Int)
  case numbers([Double], width: Int)

  subscript(rows: Range<Int>) -> TargetData {
    switch self {
    case .classes(let classes): .classes(Array(classes[rows]))
    case .bits(let values, let width):
      .bits(Array(values[rows.lowerBound * width..<rows.upperBound * width]), width: width)
    case .numbers(let values, let width):
      .numbers(Array(values[rows.lowerBound * width..<rows.upperBound * width]), width: width)
    }
  }

  func ofSteps<Element>(_ scratch: Scratch<Element>) -> StepTargets<Element> {
    switch self {
    case .classes(let classes): .classes(scratch.indices(classes))
    case .bits(let values, let width): .bits(scratch.numbers(values), width: width)
    case .numbers(let values, let width): .numbers(scratch.numbers(values), width: width)
    }
  }

  func ofSequences<Element>(_ scratch: Scratch<Element>) -> SequenceTargets<Element> {
    switch self {
    case .classes(let classes): .classes(scratch.indices(classes))
    case .bits(let values, let width), .numbers(let values, let width):
      .numbers(scratch.numbers(values), width: width)
    }
  }
}

extension Scratch {
  /// A copy of some numbers.
  func numbers(_ values: [Double]) -> UnsafePointer<Element> {
    UnsafePointer(matrix(Tensor([1, values.count], values.map { Element($0) })).base)
  }
}

/// Evaluates `model` on data: what taggers and classifiers have in common for tests that run over both.
protocol SequenceModelRun<Element> {
  associatedtype Element: Scalar
  var layout: ParameterLayout { get }
  /// Targets of one sequence.
  func targets(_ targets: TargetData, _ data: SequenceData, _ sequence: Int) -> TargetData
  func evaluate(
    _ data: SequenceData, _ targets: TargetData, _ scratch: Scratch<Element>, masks: SampleMasks?,
    smoothing: Double, into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum
}

extension SequenceTagger: SequenceModelRun {
  func targets(_ targets: TargetData, _ data: SequenceData, _ sequence: Int) -> TargetData {
    targets[data.steps(sequence)]
  }

  func evaluate(
    _ data: SequenceData, _ targets: TargetData, _ scratch: Scratch<Element>, masks: SampleMasks?,
    smoothing: Double, into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    evaluate(
      TaggerBatch(input: data.input(scratch), targets: targets.ofSteps(scratch), masks: masks),
      LossOptions(labelSmoothing: smoothing), into: gradients, context)
  }
}

extension SequenceClassifier: SequenceModelRun {
  func targets(_ targets: TargetData, _ data: SequenceData, _ sequence: Int) -> TargetData {
    targets[sequence..<sequence + 1]
  }

  func evaluate(
    _ data: SequenceData, _ targets: TargetData, _ scratch: Scratch<Element>, masks: SampleMasks?,
    smoothing: Double, into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    evaluate(
      ClassifierBatch(input: data.input(scratch), targets: targets.ofSequences(scratch), masks: masks),
      LossOptions(labelSmoothing: smoothing), into: gradients, context)
  }
}
