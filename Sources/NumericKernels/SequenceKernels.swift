import CKernels

/// Where the steps of sequences lie in a packed batch: step t of sequence p is row `offsets[t] + p`.
public struct PackedRows {
  /// First row of each step, [lengths[0]].
  public let offsets: UnsafePointer<Int64>
  /// Steps of each sequence, longest first and none of them zero, [count].
  public let lengths: UnsafePointer<Int64>
  /// Number of sequences.
  public let count: Int

  public init(offsets: UnsafePointer<Int64>, lengths: UnsafePointer<Int64>, count: Int) {
    self.offsets = offsets
    self.lengths = lengths
    self.count = count
  }

  fileprivate var native: rnd_packed_rows {
    rnd_packed_rows(offset: offsets, length: lengths, count: Int64(count))
  }
}

/// Kernels that run over each sequence of a packed batch, for every ``Scalar``: pooling of states, and a linear-chain
/// conditional random field. What is added to and what is overwritten is said in the headers of CKernels.
public protocol SequenceKernels {
  static func meanPool(
    _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows, _ width: Int,
    _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int)
  static func meanPoolBackward(
    _ dPooled: UnsafePointer<Self>, _ pooledStride: Int, _ at: PackedRows, _ width: Int,
    _ dh: UnsafeMutablePointer<Self>, _ stride: Int)
  static func maxPool(
    _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows, _ width: Int,
    _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int, _ steps: UnsafeMutablePointer<Int32>)
  static func maxPoolBackward(
    _ dPooled: UnsafePointer<Self>, _ pooledStride: Int, _ steps: UnsafePointer<Int32>, _ at: PackedRows,
    _ width: Int, _ dh: UnsafeMutablePointer<Self>, _ stride: Int)
  /// Scores of the rows become weights.
  static func attentionPool(
    _ scores: UnsafeMutablePointer<Self>, _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows,
    _ width: Int, _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int)
  static func attentionPoolBackward(
    _ weights: UnsafePointer<Self>, _ h: UnsafePointer<Self>, _ stride: Int, _ dPooled: UnsafePointer<Self>,
    _ pooledStride: Int, _ at: PackedRows, _ width: Int, _ dScores: UnsafeMutablePointer<Self>,
    _ dh: UnsafeMutablePointer<Self>, _ dhStride: Int)

  /// The summed negative log-likelihood of tags, nats.
  ///
  /// - Parameters:
  ///   - targets: a tag for each row; below zero where it is not known: any tag agrees.
  ///   - workspace: 2 (longest + 2) · tags numbers.
  ///   - gradient: nil if none is wanted.
  static func randomFieldLoss(
    _ emissions: UnsafePointer<Self>, _ stride: Int, _ tags: Int, _ scores: RandomFieldScores<Self>,
    _ at: PackedRows,
    _ targets: UnsafePointer<Int32>, _ workspace: UnsafeMutablePointer<Self>,
    gradient: RandomFieldGradient<Self>?
  ) -> Double
  /// The tags of the highest score.
  ///
  /// - Parameters:
  ///   - workspace: 2 · tags numbers.
  ///   - back: longest · tags numbers.
  static func randomFieldPath(
    _ emissions: UnsafePointer<Self>, _ stride: Int, _ tags: Int, _ scores: RandomFieldScores<Self>,
    _ at: PackedRows,
    _ workspace: UnsafeMutablePointer<Self>, _ back: UnsafeMutablePointer<Int32>,
    _ path: UnsafeMutablePointer<Int32>)
}

/// The parameters of a linear-chain conditional random field.
public struct RandomFieldScores<Element> {
  /// Score of each tag as the first, [tags].
  public let start: UnsafePointer<Element>
  /// Score of each tag as the last, [tags].
  public let end: UnsafePointer<Element>
  /// Score of a tag after another, [from, to].
  public let transitions: UnsafePointer<Element>

  public init(
    start: UnsafePointer<Element>, end: UnsafePointer<Element>, transitions: UnsafePointer<Element>
  ) {
    self.start = start
    self.end = end
    self.transitions = transitions
  }
}

/// Where the gradients of a conditional random field go.
public struct RandomFieldGradient<Element> {
  /// Overwritten, [rows, tags].
  public let emissions: UnsafeMutablePointer<Element>
  /// Of two rows of the emissions' gradient, in elements.
  public let stride: Int
  /// Added to, like the two below.
  public let start: UnsafeMutablePointer<Element>
  public let end: UnsafeMutablePointer<Element>
  public let transitions: UnsafeMutablePointer<Element>

  public init(
    emissions: UnsafeMutablePointer<Element>, stride: Int, start: UnsafeMutablePointer<Element>,
    end: UnsafeMutablePointer<Element>,
    transitions: UnsafeMutablePointer<Element>
  ) {
    self.emissions = emissions
    self.stride = stride
    self.start = start
    self.end = end
    self.transitions = transitions
  }
}

extension Float: SequenceKernels {
  public static func meanPool(
    _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows, _ width: Int,
    _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int
  ) {
    rnd_mean_pool_f32(h, Int64(stride), at.native, Int64(width), pooled, Int64(pooledStride))
  }

  public static func meanPoolBackward(
    _ dPooled: UnsafePointer<Self>, _ pooledStride: Int, _ at: PackedRows, _ width: Int,
    _ dh: UnsafeMutablePointer<Self>, _ stride: Int
  ) {
    rnd_mean_pool_backward_f32(dPooled, Int64(pooledStride), at.native, Int64(width), dh, Int64(stride))
  }

  public static func maxPool(
    _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows, _ width: Int,
    _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int, _ steps: UnsafeMutablePointer<Int32>
  ) {
    rnd_max_pool_f32(h, Int64(stride), at.native, Int64(width), pooled, Int64(pooledStride), steps)
  }

  public static func maxPoolBackward(
    _ dPooled: UnsafePointer<Self>, _ pooledStride: Int, _ steps: UnsafePointer<Int32>, _ at: PackedRows,
    _ width: Int, _ dh: UnsafeMutablePointer<Self>, _ stride: Int
  ) {
    rnd_max_pool_backward_f32(dPooled, Int64(pooledStride), steps, at.native, Int64(width), dh, Int64(stride))
  }

  public static func attentionPool(
    _ scores: UnsafeMutablePointer<Self>, _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows,
    _ width: Int, _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int
  ) {
    rnd_attention_pool_f32(scores, h, Int64(stride), at.native, Int64(width), pooled, Int64(pooledStride))
  }

  public static func attentionPoolBackward(
    _ weights: UnsafePointer<Self>, _ h: UnsafePointer<Self>, _ stride: Int, _ dPooled: UnsafePointer<Self>,
    _ pooledStride: Int, _ at: PackedRows, _ width: Int, _ dScores: UnsafeMutablePointer<Self>,
    _ dh: UnsafeMutablePointer<Self>, _ dhStride: Int
  ) {
    rnd_attention_pool_backward_f32(
      weights, h, Int64(stride), dPooled, Int64(pooledStride), at.native, Int64(width), dScores, dh,
      Int64(dhStride))
  }

  public static func randomFieldLoss(
    _ emissions: UnsafePointer<Self>, _ stride: Int, _ tags: Int, _ scores: RandomFieldScores<Self>,
    _ at: PackedRows,
    _ targets: UnsafePointer<Int32>, _ workspace: UnsafeMutablePointer<Self>,
    gradient: RandomFieldGradient<Self>?
  ) -> Double {
    rnd_crf_loss_f32(
      emissions, Int64(stride), Int64(tags), scores.start, scores.end,
      scores.transitions, at.native, targets, workspace, gradient?.emissions,
      Int64(gradient?.stride ?? 0), gradient?.start, gradient?.end, gradient?.transitions)
  }

  public static func randomFieldPath(
    _ emissions: UnsafePointer<Self>, _ stride: Int, _ tags: Int, _ scores: RandomFieldScores<Self>,
    _ at: PackedRows,
    _ workspace: UnsafeMutablePointer<Self>, _ back: UnsafeMutablePointer<Int32>,
    _ path: UnsafeMutablePointer<Int32>
  ) {
    rnd_crf_viterbi_f32(
      emissions, Int64(stride), Int64(tags), scores.start, scores.end,
      scores.transitions, at.native, workspace, back, path)
  }
}

extension Double: SequenceKernels {
  public static func meanPool(
    _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows, _ width: Int,
    _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int
  ) {
    rnd_mean_pool_f64(h, Int64(stride), at.native, Int64(width), pooled, Int64(pooledStride))
  }

  public static func meanPoolBackward(
    _ dPooled: UnsafePointer<Self>, _ pooledStride: Int, _ at: PackedRows, _ width: Int,
    _ dh: UnsafeMutablePointer<Self>, _ stride: Int
  ) {
    rnd_mean_pool_backward_f64(dPooled, Int64(pooledStride), at.native, Int64(width), dh, Int64(stride))
  }

  public static func maxPool(
    _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows, _ width: Int,
    _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int, _ steps: UnsafeMutablePointer<Int32>
  ) {
    rnd_max_pool_f64(h, Int64(stride), at.native, Int64(width), pooled, Int64(pooledStride), steps)
  }

  public static func maxPoolBackward(
    _ dPooled: UnsafePointer<Self>, _ pooledStride: Int, _ steps: UnsafePointer<Int32>, _ at: PackedRows,
    _ width: Int, _ dh: UnsafeMutablePointer<Self>, _ stride: Int
  ) {
    rnd_max_pool_backward_f64(dPooled, Int64(pooledStride), steps, at.native, Int64(width), dh, Int64(stride))
  }

  public static func attentionPool(
    _ scores: UnsafeMutablePointer<Self>, _ h: UnsafePointer<Self>, _ stride: Int, _ at: PackedRows,
    _ width: Int, _ pooled: UnsafeMutablePointer<Self>, _ pooledStride: Int
  ) {
    rnd_attention_pool_f64(scores, h, Int64(stride), at.native, Int64(width), pooled, Int64(pooledStride))
  }

  public static func attentionPoolBackward(
    _ weights: UnsafePointer<Self>, _ h: UnsafePointer<Self>, _ stride: Int, _ dPooled: UnsafePointer<Self>,
    _ pooledStride: Int, _ at: PackedRows, _ width: Int, _ dScores: UnsafeMutablePointer<Self>,
    _ dh: UnsafeMutablePointer<Self>, _ dhStride: Int
  ) {
    rnd_attention_pool_backward_f64(
      weights, h, Int64(stride), dPooled, Int64(pooledStride), at.native, Int64(width), dScores, dh,
      Int64(dhStride))
  }

  public static func randomFieldLoss(
    _ emissions: UnsafePointer<Self>, _ stride: Int, _ tags: Int, _ scores: RandomFieldScores<Self>,
    _ at: PackedRows,
    _ targets: UnsafePointer<Int32>, _ workspace: UnsafeMutablePointer<Self>,
    gradient: RandomFieldGradient<Self>?
  ) -> Double {
    rnd_crf_loss_f64(
      emissions, Int64(stride), Int64(tags), scores.start, scores.end,
      scores.transitions, at.native, targets, workspace, gradient?.emissions,
      Int64(gradient?.stride ?? 0), gradient?.start, gradient?.end, gradient?.transitions)
  }

  public static func randomFieldPath(
    _ emissions: UnsafePointer<Self>, _ stride: Int, _ tags: Int, _ scores: RandomFieldScores<Self>,
    _ at: PackedRows,
    _ workspace: UnsafeMutablePointer<Self>, _ back: UnsafeMutablePointer<Int32>,
    _ path: UnsafeMutablePointer<Int32>
  ) {
    rnd_crf_viterbi_f64(
      emissions, Int64(stride), Int64(tags), scores.start, scores.end,
      scores.transitions, at.native, workspace, back, path)
  }
}
