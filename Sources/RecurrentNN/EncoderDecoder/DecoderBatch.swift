import NumericKernels

/// Token sequences one after the other in the caller's order, without begin and end marks.
public struct TokenSequences {
  /// Tokens of each sequence, at least 0.
  public let lengths: [Int]
  /// Ids, [sum of lengths].
  public let ids: UnsafePointer<Int32>

  public init(lengths: [Int], ids: UnsafePointer<Int32>) {
    self.lengths = lengths
    self.ids = ids
  }

  public var count: Int { lengths.count }
}

/// Targets in the form a decoder works on: packed rows, each with the token it reads and the token it has to predict.
struct DecoderBatch<Element: Scalar> {
  /// Sequences sorted by their lengths, end mark included.
  let layout: PackedLayout
  /// What each row reads: the begin mark, then the target. Scheduled sampling replaces some of them.
  let inputs: UnsafeMutablePointer<Int32>
  /// What each row predicts: the target, then the end mark.
  let targets: UnsafePointer<Int32>
  let masks: SampleMasks?

  init(_ sequences: TokenSequences, _ shape: DecoderShape, masks: SampleMasks?, _ arena: Arena<Element>) {
    if let masks {
      precondition(
        masks.samples.count == sequences.count,
        "masks of \(masks.samples.count) samples for \(sequences.count) targets")
    }
    layout = PackedLayout(lengths: sequences.lengths.map { $0 + 1 })
    self.masks = masks
    var start = 0
    let starts = sequences.lengths.map { length in
      defer { start += length }
      return start
    }
    let bound = Int32(shape.vocabularySize)
    for index in 0..<start {
      let id = sequences.ids[index]
      precondition(id >= 0 && id < bound, "target id \(id) for a vocabulary of \(bound)")
    }
    let inputs = arena.words(layout.rowCount, of: Int32.self)
    let targets = arena.words(layout.rowCount, of: Int32.self)
    for t in 0..<layout.steps {
      for (position, row) in layout.rows(t).enumerated() {
        let sentence = layout.order[position]
        let target = sequences.ids + starts[sentence]
        inputs[row] = t == 0 ? Int32(shape.beginToken) : target[t - 1]
        targets[row] = t < sequences.lengths[sentence] ? target[t] : Int32(shape.endToken)
      }
    }
    self.inputs = inputs.baseAddress!
    self.targets = UnsafePointer(targets.baseAddress!)
  }

  /// For each packed row the position of its sequence, [rowCount].
  func positions(_ arena: Arena<Element>) -> UnsafePointer<Int32> {
    let index = arena.words(layout.rowCount, of: Int32.self)
    for t in 0..<layout.steps {
      for (position, row) in layout.rows(t).enumerated() { index[row] = Int32(position) }
    }
    return UnsafePointer(index.baseAddress!)
  }
}
