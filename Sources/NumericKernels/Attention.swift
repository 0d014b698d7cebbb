import CKernels

/// Which source memory the rows of a decoder step attend to, and the sizes of the attention: what the kernels of
/// ``AttentionScalar`` have in common.
///
/// Sentence b owns `length[b]` consecutive rows of keys [S, size] and values [S, width]; nothing is padded.
public struct AttentionRows {
  /// Rows still running.
  public var rows: Int
  /// First memory row of each row's sentence.
  public var start: UnsafePointer<Int32>
  /// Memory rows of each row's sentence.
  public var length: UnsafePointer<Int32>
  /// Where a row's weights and features begin in the block of a step.
  public var place: UnsafePointer<Int32>
  /// Width of keys and queries.
  public var size: Int
  /// Width of values and contexts.
  public var width: Int
  /// Features of a position, such as its coverage.
  public var features: Int
  /// Position a window lies around.
  public var center = 0
  /// Positions further from the centre weigh nothing; nil: no window.
  public var window: Int?

  public init(
    rows: Int, start: UnsafePointer<Int32>, length: UnsafePointer<Int32>, place: UnsafePointer<Int32>,
    size: Int, width: Int, features: Int = 0, window: Int? = nil
  ) {
    self.rows = rows
    self.start = start
    self.length = length
    self.place = place
    self.size = size
    self.width = width
    self.features = features
    self.window = window
  }

  fileprivate var kernelForm: rnd_attention_rows {
    rnd_attention_rows(
      rows: Int64(rows), start: start, length: length, place: place, size: Int64(size), width: Int64(width),
      features: Int64(features), center: Int64(center), window: Int64(window ?? -1))
  }
}

/// Filters over the weights of the step before, [channels, width].
public struct AttentionFilters<Element> {
  public let weights: UnsafePointer<Element>
  public let channels: Int
  public let width: Int

  public init(_ weights: UnsafePointer<Element>, channels: Int, width: Int) {
    self.weights = weights
    self.channels = channels
    self.width = width
  }
}

/// What the attention kernels read in both passes.
public struct AttentionOperands<Element> {
  /// [S, size].
  public var keys: UnsafePointer<Element>
  /// [rows, size], rows `queryStride` apart.
  public var query: UnsafePointer<Element>
  public var queryStride: Int
  /// [size]; nil scores by the dot product of key and query.
  public var v: UnsafePointer<Element>?
  /// [places, features]; not read without features.
  public var features: UnsafePointer<Element>
  /// [features, size]; not read without features.
  public var featureWeight: UnsafePointer<Element>
  /// [S, width].
  public var values: UnsafePointer<Element>

  public init(
    keys: UnsafePointer<Element>, query: UnsafePointer<Element>, queryStride: Int, v: UnsafePointer<Element>?,
    features: UnsafePointer<Element>, featureWeight: UnsafePointer<Element>, values: UnsafePointer<Element>
  ) {
    self.keys = keys
    self.query = query
    self.queryStride = queryStride
    self.v = v
    self.features = features
    self.featureWeight = featureWeight
    self.values = values
  }
}

/// Where the attention kernels put gradients; see `attention_kernels.h` for what is added to.
public struct AttentionGradients<Element> {
  /// On entry what reaches the weights besides the context, on return the gradient of the scores; [places].
  public var weights: UnsafeMutablePointer<Element>
  /// Overwritten, [rows, size], rows `queryStride` apart.
  public var query: UnsafeMutablePointer<Element>
  public var queryStride: Int
  /// Added to.
  public var keys: UnsafeMutablePointer<Element>
  /// Added to; not written by the dot product.
  public var v: UnsafeMutablePointer<Element>
  /// Overwritten.
  public var features: UnsafeMutablePointer<Element>
  /// Added to.
  public var featureWeight: UnsafeMutablePointer<Element>

  public init(
    weights: UnsafeMutablePointer<Element>, query: UnsafeMutablePointer<Element>, queryStride: Int,
    keys: UnsafeMutablePointer<Element>, v: UnsafeMutablePointer<Element>,
    features: UnsafeMutablePointer<Element>, featureWeight: UnsafeMutablePointer<Element>
  ) {
    self.weights = weights
    self.query = query
    self.queryStride = queryStride
    self.keys = keys
    self.v = v
    self.features = features
    self.featureWeight = featureWeight
  }
}

/// The attention kernels an element type provides; what they compute is said in `attention_kernels.h`.
public protocol AttentionScalar {
  /// One step of all rows: overwrites weights [places] and context [rows, width].
  static func attentionForward(
    _ rows: AttentionRows, _ operands: AttentionOperands<Self>, weights: UnsafeMutablePointer<Self>,
    context: UnsafeMutablePointer<Self>, contextStride: Int)

  /// Its backward pass, but for the gradient of the values.
  static func attentionBackward(
    _ rows: AttentionRows, _ operands: AttentionOperands<Self>, weights: UnsafePointer<Self>,
    contextGradient: UnsafePointer<Self>, contextStride: Int, into gradients: AttentionGradients<Self>)

  /// Adds the gradient of the values, for all steps at once.
  static func attentionValuesBackward(
    _ rows: AttentionRows, steps: UnsafePointer<Int32>, stepPlace: UnsafePointer<Int64>,
    stepRow: UnsafePointer<Int64>, weights: UnsafePointer<Self>, contextGradient: UnsafePointer<Self>,
    contextStride: Int, valuesGradient: UnsafeMutablePointer<Self>)

  /// Overwrites the features [places, features] of every position.
  static func attentionFeatures(
    _ rows: AttentionRows, coverage: UnsafePointer<Self>?, previous: UnsafePointer<Self>,
    _ filters: AttentionFilters<Self>, features: UnsafeMutablePointer<Self>)

  /// Its backward pass, which adds to all three gradients.
  static func attentionFeaturesBackward(
    _ rows: AttentionRows, featuresGradient: UnsafePointer<Self>, previous: UnsafePointer<Self>,
    _ filters: AttentionFilters<Self>, coverageGradient: UnsafeMutablePointer<Self>?,
    previousGradient: UnsafeMutablePointer<Self>, filterGradient: UnsafeMutablePointer<Self>)

  /// Σ min(weight, coverage) over `count` places, with gradients times `scale` added if they are given.
  static func coverageLoss(
    weights: UnsafePointer<Self>, coverage: UnsafePointer<Self>, _ count: Int, scale: Self,
    weightsGradient: UnsafeMutablePointer<Self>?, coverageGradient: UnsafeMutablePointer<Self>?
  ) -> Double
}

extension Float: AttentionScalar {
  public static func attentionForward(
    _ rows: AttentionRows, _ operands: AttentionOperands<Self>, weights: UnsafeMutablePointer<Self>,
    context: UnsafeMutablePointer<Self>, contextStride: Int
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_forward_f32(
        rows, operands.keys, operands.query, Int64(operands.queryStride), operands.v, operands.features,
        operands.featureWeight, operands.values, weights, context, Int64(contextStride))
    }
  }

  public static func attentionBackward(
    _ rows: AttentionRows, _ operands: AttentionOperands<Self>, weights: UnsafePointer<Self>,
    contextGradient: UnsafePointer<Self>, contextStride: Int, into gradients: AttentionGradients<Self>
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_backward_f32(
        rows, operands.keys, operands.query, Int64(operands.queryStride), operands.v, operands.features,
        operands.featureWeight, operands.values, weights, contextGradient, Int64(contextStride),
        gradients.weights, gradients.query, Int64(gradients.queryStride), gradients.keys, gradients.v,
        gradients.features, gradients.featureWeight)
    }
  }

  public static func attentionValuesBackward(
    _ rows: AttentionRows, steps: UnsafePointer<Int32>, stepPlace: UnsafePointer<Int64>,
    stepRow: UnsafePointer<Int64>, weights: UnsafePointer<Self>, contextGradient: UnsafePointer<Self>,
    contextStride: Int, valuesGradient: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_values_backward_f32(
        rows, steps, stepPlace, stepRow, weights, contextGradient, Int64(contextStride), valuesGradient)
    }
  }

  public static func attentionFeatures(
    _ rows: AttentionRows, coverage: UnsafePointer<Self>?, previous: UnsafePointer<Self>,
    _ filters: AttentionFilters<Self>, features: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_features_f32(
        rows, coverage, previous, filters.weights, Int64(filters.channels), Int64(filters.width), features)
    }
  }

  public static func attentionFeaturesBackward(
    _ rows: AttentionRows, featuresGradient: UnsafePointer<Self>, previous: UnsafePointer<Self>,
    _ filters: AttentionFilters<Self>, coverageGradient: UnsafeMutablePointer<Self>?,
    previousGradient: UnsafeMutablePointer<Self>, filterGradient: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_features_backward_f32(
        rows, featuresGradient, previous, filters.weights, Int64(filters.channels), Int64(filters.width),
        coverageGradient, previousGradient, filterGradient)
    }
  }

  public static func coverageLoss(
    weights: UnsafePointer<Self>, coverage: UnsafePointer<Self>, _ count: Int, scale: Self,
    weightsGradient: UnsafeMutablePointer<Self>?, coverageGradient: UnsafeMutablePointer<Self>?
  ) -> Double {
    rnd_coverage_loss_f32(weights, coverage, Int64(count), scale, weightsGradient, coverageGradient)
  }
}

extension Double: AttentionScalar {
  public static func attentionForward(
    _ rows: AttentionRows, _ operands: AttentionOperands<Self>, weights: UnsafeMutablePointer<Self>,
    context: UnsafeMutablePointer<Self>, contextStride: Int
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_forward_f64(
        rows, operands.keys, operands.query, Int64(operands.queryStride), operands.v, operands.features,
        operands.featureWeight, operands.values, weights, context, Int64(contextStride))
    }
  }

  public static func attentionBackward(
    _ rows: AttentionRows, _ operands: AttentionOperands<Self>, weights: UnsafePointer<Self>,
    contextGradient: UnsafePointer<Self>, contextStride: Int, into gradients: AttentionGradients<Self>
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_backward_f64(
        rows, operands.keys, operands.query, Int64(operands.queryStride), operands.v, operands.features,
        operands.featureWeight, operands.values, weights, contextGradient, Int64(contextStride),
        gradients.weights, gradients.query, Int64(gradients.queryStride), gradients.keys, gradients.v,
        gradients.features, gradients.featureWeight)
    }
  }

  public static func attentionValuesBackward(
    _ rows: AttentionRows, steps: UnsafePointer<Int32>, stepPlace: UnsafePointer<Int64>,
    stepRow: UnsafePointer<Int64>, weights: UnsafePointer<Self>, contextGradient: UnsafePointer<Self>,
    contextStride: Int, valuesGradient: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_values_backward_f64(
        rows, steps, stepPlace, stepRow, weights, contextGradient, Int64(contextStride), valuesGradient)
    }
  }

  public static func attentionFeatures(
    _ rows: AttentionRows, coverage: UnsafePointer<Self>?, previous: UnsafePointer<Self>,
    _ filters: AttentionFilters<Self>, features: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_features_f64(
        rows, coverage, previous, filters.weights, Int64(filters.channels), Int64(filters.width), features)
    }
  }

  public static func attentionFeaturesBackward(
    _ rows: AttentionRows, featuresGradient: UnsafePointer<Self>, previous: UnsafePointer<Self>,
    _ filters: AttentionFilters<Self>, coverageGradient: UnsafeMutablePointer<Self>?,
    previousGradient: UnsafeMutablePointer<Self>, filterGradient: UnsafeMutablePointer<Self>
  ) {
    withUnsafePointer(to: rows.kernelForm) { rows in
      rnd_attention_features_backward_f64(
        rows, featuresGradient, previous, filters.weights, Int64(filters.channels), Int64(filters.width),
        coverageGradient, previousGradient, filterGradient)
    }
  }

  public static func coverageLoss(
    weights: UnsafePointer<Self>, coverage: UnsafePointer<Self>, _ count: Int, scale: Self,
    weightsGradient: UnsafeMutablePointer<Self>?, coverageGradient: UnsafeMutablePointer<Self>?
  ) -> Double {
    rnd_coverage_loss_f64(weights, coverage, Int64(count), scale, weightsGradient, coverageGradient)
  }
}
