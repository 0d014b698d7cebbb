import CKernels
import NumericKernels
import Parameters

/// The output layer of a model over a vocabulary.
protocol VocabularyOutput<Element>: Sendable {
  associatedtype Element: Scalar

  /// Handles of all parameters, in layout order.
  var parameters: [Parameter] { get }

  /// Cross-entropy summed over the rows, nats; see ``SoftmaxOutput/loss(_:targets:smoothing:gradient:into:_:)``.
  func loss(
    _ h: MatrixView<Element>, targets: UnsafePointer<Int32>, smoothing: Double,
    gradient dh: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> Double

  /// Overwrites `logits` [N, V] with numbers whose softmax is the distribution.
  func logits(_ h: MatrixView<Element>, into logits: MatrixView<Element>, _ context: LayerContext<Element>)
}

/// An output layer over a vocabulary or a set of classes: p = softmax(W h + b), with its cross-entropy.
///
/// Shapes: h [N, inputSize], `weight` [classes, inputSize], `bias` [classes]. The [N, classes] matrix never exists
/// as a whole: see ``loss(_:targets:smoothing:gradient:into:_:)``.
public struct SoftmaxOutput<Element: Scalar>: VocabularyOutput {
  let weight: Parameter
  /// Nil in the parts of an ``AdaptiveSoftmaxOutput``.
  let bias: Parameter?

  public var inputSize: Int { weight.shape[1] }
  public var classes: Int { weight.shape[0] }
  /// Handles of all parameters, in layout order.
  public var parameters: [Parameter] { [weight] + (bias.map { [$0] } ?? []) }

  /// Adds `weight` and `bias` to a layout, drawn from U(±1/√inputSize) as torch.nn.Linear does.
  public init(inputSize: Int, classes: Int, in builder: inout ParameterLayout.Builder) {
    let linear = Linear<Element>(inputSize: inputSize, outputSize: classes, in: &builder)
    (weight, bias) = (linear.weight, linear.bias)
  }

  /// Adds only `weight` to a layout, drawn from U(±1/√inputSize).
  init(withoutBias inputSize: Int, classes: Int, in builder: inout ParameterLayout.Builder) {
    weight = builder.add("weight", [classes, inputSize], .uniform(1 / Double(inputSize).squareRoot()))
    bias = nil
  }

  /// Creates the layer with an existing weight, [classes, inputSize] (tied weights): only `bias` is added.
  public init(sharing table: Parameter, in builder: inout ParameterLayout.Builder) {
    let linear = Linear<Element>(sharing: table, in: &builder)
    (weight, bias) = (linear.weight, linear.bias)
  }

  /// The number of logits computed at a time. A block is written by one GEMM, turned into its gradient in place, and read
  /// by two GEMMs. Each block packs the table again and adds to the table's gradient, which costs more than a smaller
  /// block gains by staying in cache. Measured steps were up to 3 % faster with 20 MB than with 8 MB, and less than 1 %
  /// faster than with 16 MB.
  private static var logitsPerBlock: Int { 4 << 20 }

  /// Cross-entropy of softmax(W h + b) against the targets, summed over the rows, nats.
  ///
  /// - Parameters:
  ///   - h: [N, inputSize].
  ///   - targets: [N]; rows whose target is below zero are skipped.
  ///   - smoothing: label smoothing ε (Szegedy et al. 2016, section 7): the target is (1 - ε) of its class and ε spread
  ///     evenly over all classes.
  ///   - dh: overwritten with the gradient of h if given.
  ///   - gradients: the gradients of weight and bias are ADDED here if given.
  @_specialize(where Element == Float)
  public func loss(
    _ h: MatrixView<Element>, targets: UnsafePointer<Int32>, smoothing: Double = 0,
    gradient dh: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> Double {
    let table = context.parameters.matrix(weight)
    // Blocks have equal numbers of rows, because a small block would cost as much packing of the table as a large one.
    let most = max(64, Self.logitsPerBlock / classes)
    let blocks = max(1, (h.rows + most - 1) / most)
    let blockRows = max(1, (h.rows + blocks - 1) / blocks)
    return context.arena.scoped {
      let block = context.arena.matrix(blockRows, classes)
      var total = 0.0
      for first in stride(from: 0, to: h.rows, by: blockRows) {
        let rows = first..<min(first + blockRows, h.rows)
        let (part, logits) = (h.rows(rows), block.rows(0..<rows.count))
        context.multiply(part, table, .right, into: logits)
        total += logits.softmaxCrossEntropy(
          targets: targets + first, bias: bias.map { context.parameters.pointer($0) }, smoothing: smoothing,
          withGradient: dh != nil)
        if let dh, let gradients {
          context.multiply(logits, table, into: dh.rows(rows))
          context.multiply(logits, part, .left, into: gradients.matrix(weight), accumulate: true)
          if let bias {
            logits.addColumnSums(to: gradients.pointer(bias))
          }
        }
      }
      return total
    }
  }

  /// Overwrites `logits` [N, classes] with W h + b. The weight is packed once and kept: for generation, which calls this
  /// for every token.
  @_specialize(where Element == Float)
  public func logits(
    _ h: MatrixView<Element>, into logits: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    context.packed(weight, transposed: true).multiply(h, into: logits, accumulate: false)
    guard let bias else { return }
    logits.activate(.identity, bias: context.parameters.pointer(bias))
  }
}

/// An output layer for large vocabularies (adaptive softmax): frequent classes first, rare ones in clusters that most rows
/// skip.
///
/// The head is a softmax over the `cutoffs[0]` most frequent classes and one entry for each cluster. Cluster k holds the
/// classes from `cutoffs[k]` up to the next cutoff (the last: up to `classes`), with a projection that is narrower by
/// another `factor`:
///
///     p(v) = head(v)                              for v < cutoffs[0]
///     p(v) = head(cutoffs[0] + k) · tail_k(v)     for v in cluster k
///     head = softmax(W_h h),   tail_k = softmax(V_k U_k h)
///
/// Probabilities are exact and sum to one: this is a different model, not an approximation. Classes must be numbered by
/// falling frequency, as vocabularies are. É. Grave et al., "Efficient softmax approximation for GPUs", ICML 2017;
/// parameters, names and the absence of biases are those of torch.nn.AdaptiveLogSoftmaxWithLoss: `head.weight`
/// [cutoffs[0] + clusters, H], `tail.k.0.weight` (U_k) [H / factor^(k+1), H], `tail.k.1.weight` (V_k)
/// [size_k, H / factor^(k+1)].
public struct AdaptiveSoftmaxOutput<Element: Scalar>: VocabularyOutput {
  /// A cluster of rare classes.
  private struct Cluster: Sendable {
    let classes: Range<Int>
    let projection: Parameter
    let output: SoftmaxOutput<Element>
  }

  private let head: SoftmaxOutput<Element>
  private let clusters: [Cluster]
  public let classes: Int
  public let inputSize: Int

  /// True if cutoffs rise from at least 1 to below the number of classes.
  public static func areCutoffs(_ cutoffs: [Int], of classes: Int) -> Bool {
    !cutoffs.isEmpty && zip([0] + cutoffs, cutoffs + [classes]).allSatisfy { $0 < $1 }
  }

  /// Adds the parameters to a layout, each drawn from U(±1/√(its input size)) as torch.nn.Linear does.
  ///
  /// - Parameters:
  ///   - cutoffs: see ``areCutoffs(_:of:)``.
  ///   - factor: the factor by which each cluster is narrower than the previous one, at least 1.
  public init(
    inputSize: Int, classes: Int, cutoffs: [Int], factor: Double = 4,
    in builder: inout ParameterLayout.Builder
  ) {
    precondition(
      Self.areCutoffs(cutoffs, of: classes) && factor >= 1,
      "cutoffs \(cutoffs) with factor \(factor) for \(classes) classes")
    self.inputSize = inputSize
    self.classes = classes
    let head = builder.scoped("head") {
      SoftmaxOutput<Element>(withoutBias: inputSize, classes: cutoffs[0] + cutoffs.count, in: &$0)
    }
    var width = Double(inputSize)
    clusters = zip(cutoffs, cutoffs.dropFirst() + [classes]).enumerated().map { index, bounds in
      width /= factor
      let size = max(1, Int(width))
      return builder.scoped("tail.\(index)") { builder in
        let projection = builder.add(
          "0.weight", [size, inputSize], .uniform(1 / Double(inputSize).squareRoot()))
        let output = builder.scoped("1") {
          SoftmaxOutput<Element>(withoutBias: size, classes: bounds.1 - bounds.0, in: &$0)
        }
        return Cluster(classes: bounds.0..<bounds.1, projection: projection, output: output)
      }
    }
    self.head = head
  }

  /// Handles of all parameters, in layout order.
  public var parameters: [Parameter] {
    head.parameters + clusters.flatMap { [$0.projection] + $0.output.parameters }
  }

  private var shortlist: Int { head.classes - clusters.count }

  // MARK: Training

  /// Cross-entropy against the targets, summed over the rows, nats.
  ///
  /// - Parameters:
  ///   - h: [N, inputSize].
  ///   - targets: [N]; rows whose target is below zero are skipped.
  ///   - smoothing: 0; an adaptive softmax has no label smoothing.
  ///   - dh: overwritten with the gradient of h if given.
  ///   - gradients: the gradients of the parameters are ADDED here if given.
  public func loss(
    _ h: MatrixView<Element>, targets: UnsafePointer<Int32>, smoothing: Double = 0,
    gradient dh: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> Double {
    precondition(smoothing == 0, "label smoothing of \(smoothing) with an adaptive softmax")
    return context.arena.scoped {
      let inHead = context.arena.indexes(h.rows) { headClass(Int(targets[$0])) }
      var total = head.loss(h, targets: inHead, gradient: dh, into: gradients, context)
      for cluster in clusters {
        total += context.arena.scoped {
          loss(h, in: cluster, targets: targets, gradient: dh, into: gradients, context)
        }
      }
      return total
    }
  }

  /// The entry of the head for a class or for its cluster.
  private func headClass(_ target: Int) -> Int {
    guard target >= shortlist else { return target }
    return shortlist + (clusters.firstIndex { $0.classes.contains(target) } ?? 0)
  }

  /// The loss of the rows whose target is in a cluster; the gradient of h is ADDED.
  private func loss(
    _ h: MatrixView<Element>, in cluster: Cluster, targets: UnsafePointer<Int32>,
    gradient dh: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> Double {
    let arena = context.arena
    let rows = arena.buffer(h.rows, of: Int32.self)
    var count = 0
    for row in 0..<h.rows where cluster.classes.contains(Int(targets[row])) {
      rows[count] = Int32(row)
      count += 1
    }
    guard count > 0 else { return 0 }
    let index = UnsafePointer(rows.baseAddress!)
    let own = arena.indexes(count) { Int(targets[Int(index[$0])]) - cluster.classes.lowerBound }
    let x = arena.matrix(count, inputSize)
    x.gatherRows(of: h, at: index)
    let projected = arena.matrix(count, cluster.output.inputSize)
    context.packed(cluster.projection, transposed: true).multiply(x, into: projected, accumulate: false)
    let dProjected = dh.map { _ in arena.matrix(count, cluster.output.inputSize) }
    let total = cluster.output.loss(projected, targets: own, gradient: dProjected, into: gradients, context)
    if let dh, let dProjected, let gradients {
      context.multiply(dProjected, x, .left, into: gradients.matrix(cluster.projection), accumulate: true)
      // x is no longer needed: its memory is reused for its gradient.
      context.packed(cluster.projection, transposed: false).multiply(dProjected, into: x, accumulate: false)
      dh.scatterAddRows(x, at: index)
    }
    return total
  }

  // MARK: Decoding

  /// Overwrites `logits` [N, classes] with the logarithms of all probabilities.
  public func logits(
    _ h: MatrixView<Element>, into logits: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    context.arena.scoped {
      let first = context.arena.matrix(h.rows, head.classes)
      head.logits(h, into: first, context)
      // Head logits are shifted by the head's normalizer, cluster logits also by their own.
      let normalizers = context.arena.buffer(h.rows, of: Double.self).baseAddress!
      first.logNormalizers(into: normalizers)
      let shift = context.arena.buffer(h.rows, of: Double.self).baseAddress!
      let frequent = logits.columns(0..<shortlist)
      frequent.copy(from: first.columns(0..<shortlist))
      for row in 0..<h.rows { shift[row] = -normalizers[row] }
      shiftRows(frequent, by: shift)
      for (index, cluster) in clusters.enumerated() {
        let projected = context.arena.matrix(h.rows, cluster.output.inputSize)
        context.packed(cluster.projection, transposed: true).multiply(h, into: projected, accumulate: false)
        let part = logits.columns(cluster.classes)
        cluster.output.logits(projected, into: part, context)
        part.logNormalizers(into: shift)
        for row in 0..<h.rows {
          shift[row] = Double(first[row, shortlist + index]) - normalizers[row] - shift[row]
        }
        shiftRows(part, by: shift)
      }
    }
  }

  private func shiftRows(_ x: MatrixView<Element>, by shift: UnsafePointer<Double>) {
    rnd_shift_rows(
      Element.kernelType,
      rnd_row_shift(rows: x.rows, columns: x.columns, x: x.base, stride: x.stride, shift: shift))
  }
}
