import NumericKernels
import Parameters

/// An output layer over a vocabulary or a set of classes: p = softmax(W h + b), with its cross-entropy.
///
/// Shapes: h [N, inputSize], `weight` [classes, inputSize], `bias` [classes]. The [N, classes] matrix never exists
/// as a whole: see ``loss(_:targets:smoothing:gradient:into:_:)``.
public struct SoftmaxOutput<Element: Scalar>: Sendable {
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

  /// The same without `bias`.
  init(withoutBias inputSize: Int, classes: Int, in builder: inout ParameterLayout.Builder) {
    weight = builder.add(
      "weight", [classes, inputSize], .uniform(1 / Double(inputSize).squareRoot()))
    bias = nil
  }

  /// The same with a weight that exists already, [classes, inputSize] (tied weights): only `bias` is added.
  public init(sharing table: Parameter, in builder: inout ParameterLayout.Builder) {
    let linear = Linear<Element>(sharing: table, in: &builder)
    (weight, bias) = (linear.weight, linear.bias)
  }

  /// Elements of logits computed at a time: a block is written by the product, turned into its gradient in place, and read
  /// by two products. Each block packs the table anew and adds to the table's gradient, which costs more than what a
  /// lower block gains by staying in cache: 20 MB measured up to 3 % faster steps than 8 MB, and less than 1 % than 16.
  private static var logitsPerBlock: Int { 4 << 20 }

  /// Cross-entropy of softmax(W h + b) against the targets, summed over the rows, nats.
  ///
  /// - Parameters:
  ///   - h: [N, inputSize].
  ///   - targets: [N]; rows whose target is below zero count for nothing.
  ///   - smoothing: label smoothing ε (Szegedy et al. 2016, section 7): the target is (1 - ε) of its class and ε spread
  ///     evenly over all classes.
  ///   - dh: overwritten with the gradient of h if given.
  ///   - gradients: those of weight and bias are ADDED here if given.
  public func loss(
    _ h: MatrixView<Element>, targets: UnsafePointer<Int32>, smoothing: Double = 0,
    gradient dh: MatrixView<Element>?, into gradients: ParameterBuffer<Element>?,
    _ context: LayerContext<Element>
  ) -> Double {
    let table = context.parameters.matrix(weight)
    // Blocks of equal height: a low one would pay as much for packing the table as a high one.
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
        total += Element.softmaxCrossEntropy(
          logits.base, logits.stride, bias.map { context.parameters.pointer($0) }, targets + first,
          rows.count,
          classes,
          Element(smoothing), dh != nil)
        if let dh, let gradients {
          context.multiply(logits, table, into: dh.rows(rows))
          context.multiply(logits, part, .left, into: gradients.matrix(weight), accumulate: true)
          if let bias {
            Element.addColumnSums(
              logits.base, logits.stride, rows.count, classes, gradients.pointer(bias))
          }
        }
      }
      return total
    }
  }

  /// Overwrites `logits` [N, classes] with W h + b. The weight is packed once and kept: for generation, which comes here
  /// for every token.
  public func logits(
    _ h: MatrixView<Element>, into logits: MatrixView<Element>, _ context: LayerContext<Element>
  ) {
    context.packed(weight, transposed: true).multiply(h, into: logits, accumulate: false)
    guard let bias else { return }
    Element.activateRows(
      logits.base, logits.stride, context.parameters.pointer(bias), logits.rows, logits.columns, .identity)
  }
}
