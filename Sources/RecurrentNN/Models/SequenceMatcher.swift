import NumericKernels
import Options
import Parameters

/// The sizes and options of a matcher: those of a classifier, whose network reads both sequences.
public typealias SequenceMatcherShape = SequenceClassifierShape

/// Pairs of sequences with their targets.
public struct PairedBatch<Element: Scalar> {
  /// The first and the second sequences of the pairs, equally many.
  public let inputs: (first: InputSequences<Element>, second: InputSequences<Element>)
  public let targets: OutputTargets<Element>
  /// The coordinates of the dropout masks; nil for evaluation: nothing is dropped.
  public let masks: SampleMasks?

  public init(
    _ first: InputSequences<Element>, _ second: InputSequences<Element>, targets: OutputTargets<Element>,
    masks: SampleMasks? = nil
  ) {
    precondition(
      first.count == second.count, "pairs of \(first.count) first and \(second.count) second sequences")
    (inputs, self.targets, self.masks) = ((first, second), targets, masks)
  }
}

/// One recurrent network reads two sequences, and an output layer compares them (a siamese network): a class or numbers for
/// the pair, such as entailment or similarity.
///
///     u = pool(layers(embedding(a))),   v = pool(layers(embedding(b)))   with the same parameters
///     f = [u; v; |u − v|; u ⊙ v],       y = output(f)
///
/// Conneau et al. 2017, "Supervised Learning of Universal Sentence Representations", except that f is a direct input of
/// the output layer. Shapes: u, v [pairs, pooled size], f [pairs, 4 × pooled size].
///
/// Parameter names are those of a ``SequenceClassifier``: `embedding.weight`, `characters.…`, `rnn.weight_ih_l0`, …,
/// `attention.…`, `output.weight` [classes, 4 × pooled size], `output.bias`.
public struct SequenceMatcher<Element: Scalar>: Sendable {
  public let shape: SequenceMatcherShape
  public let layout: ParameterLayout
  private let reader: PooledEncoder<Element>
  private let output: OutputLayer<Element>

  /// - Throws: `OptionError` if options of the cells exclude each other or are out of range.
  public init(_ shape: SequenceMatcherShape) throws(OptionError) {
    self.shape = shape
    var builder = ParameterLayout.Builder(initializeAllUniform: shape.network.uniformInitialization)
    reader = try PooledEncoder(shape, in: &builder)
    output = OutputLayer(perSequence: shape.output, inputSize: 4 * reader.outputSize, in: &builder)
    layout = builder.build()
  }

  // MARK: Comparing

  /// f of every pair.
  private func features(
    _ u: MatrixView<Element>, _ v: MatrixView<Element>, _ arena: Arena<Element>
  ) -> MatrixView<Element> {
    let width = reader.outputSize
    let f = arena.matrix(u.rows, 4 * width)
    for pair in 0..<u.rows {
      let (a, b, row) = (u.row(pair), v.row(pair), f.row(pair))
      for unit in 0..<width {
        row[unit] = a[unit]
        row[width + unit] = b[unit]
        row[2 * width + unit] = abs(a[unit] - b[unit])
        row[3 * width + unit] = a[unit] * b[unit]
      }
    }
    return f
  }

  /// The gradients of u and v, given that of f. At u = v the gradient of |u − v| is taken to be 0.
  private func vectorGradients(
    _ df: MatrixView<Element>, _ u: MatrixView<Element>, _ v: MatrixView<Element>, _ arena: Arena<Element>
  ) -> (u: MatrixView<Element>, v: MatrixView<Element>) {
    let width = reader.outputSize
    let (du, dv) = (arena.matrix(u.rows, width), arena.matrix(u.rows, width))
    for pair in 0..<u.rows {
      let (a, b, d) = (u.row(pair), v.row(pair), df.row(pair))
      let (da, db) = (du.row(pair), dv.row(pair))
      for unit in 0..<width {
        let difference = a[unit] - b[unit]
        let direction: Element = difference > 0 ? 1 : difference < 0 ? -1 : 0
        let (distance, product) = (direction * d[2 * width + unit], d[3 * width + unit])
        da[unit] = d[unit] + distance + product * b[unit]
        db[unit] = d[width + unit] - distance + product * a[unit]
      }
    }
    return (du, dv)
  }

  // MARK: Training and evaluation

  /// Computes the summed loss of a batch and, if `gradients` is given, adds the gradients of that SUM to it.
  ///
  /// - Parameters:
  ///   - batch: pairs of sequences, and targets.
  ///   - labelSmoothing: ε, of a softmax only; 0 when evaluating.
  ///   - context: parameters and workspace; the masks are the batch's. The arena is left as it was.
  /// - Returns: softmax: nats, over the pairs that have a target. Numbers: squared errors summed over a pair's numbers,
  ///   over the pairs.
  public func evaluate(
    _ batch: PairedBatch<Element>, labelSmoothing: Double = 0,
    into gradients: ParameterBuffer<Element>?, _ context: LayerContext<Element>
  ) -> LossSum {
    context.arena.scoped {
      let first = reader.forward(batch.inputs.first, masks: batch.masks, context)
      // The first sequences are numbered from 0 upward, the second ones from the largest number downward, so no two share
      // masks.
      let otherMasks = batch.masks.map {
        SampleMasks(seed: $0.seed, step: $0.step, samples: $0.samples.map { UInt32.max - $0 })
      }
      let second = reader.forward(batch.inputs.second, masks: otherMasks, context)
      let (loss, df) = output.loss(
        each: features(first.vectors, second.vectors, context.arena), targets: batch.targets,
        masks: batch.masks, smoothing: labelSmoothing, dropout: shape.network, into: gradients, context)
      if let gradients, let df {
        let gradient = vectorGradients(df, first.vectors, second.vectors, context.arena)
        reader.backward(first, gradient: gradient.u, into: gradients, context)
        reader.backward(second, gradient: gradient.v, into: gradients, context)
      }
      return loss
    }
  }

  // MARK: Prediction

  /// Predicts for pairs of sequences, without dropout.
  ///
  /// - Parameter context: parameters and workspace. The arena is left as it was.
  public func predict(
    _ first: InputSequences<Element>, _ second: InputSequences<Element>, _ context: LayerContext<Element>
  ) -> ClassifierPrediction<Element>.Output {
    context.arena.scoped {
      let u = reader.forward(first, masks: nil, context).vectors
      let v = reader.forward(second, masks: nil, context).vectors
      return output.predict(each: features(u, v, context.arena), context)
    }
  }
}
