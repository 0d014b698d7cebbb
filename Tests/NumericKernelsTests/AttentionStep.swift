import Foundation
import CKernels
import NumericKernels

/// One decoder step of three rows over ragged sources, one of them empty, with all operands of the attention kernels. The
/// sizes are not multiples of any vector width and span several chunks of a kernel.
final class AttentionStep<Element: Scalar> {
  static var lengths: [Int] { [3, 0, 5] }
  static var size: Int { 300 }
  static var width: Int { 37 }
  static var features: Int { 3 }

  private let arena = Arena<Element>()
  let isAdditive: Bool
  private let rows: rnd_attention_rows
  let keys, query, v, feature, featureWeight, values: MatrixView<Element>
  /// The factors by which a loss multiplies weights and contexts.
  let weightFactor, contextFactor: MatrixView<Element>
  let weights, context: MatrixView<Element>

  init(isAdditive: Bool, window: Int? = nil, center: Int = 0) {
    self.isAdditive = isAdditive
    let (arena, lengths) = (self.arena, Self.lengths)
    var stream: UInt32 = 0
    func random(_ rows: Int, _ columns: Int, _ bound: Double = 1) -> MatrixView<Element> {
      stream += 1
      let view = arena.matrix(rows, columns)
      Element.fillUniform(
        UnsafeMutableBufferPointer(start: view.base, count: view.count), low: -bound, high: bound,
        key: RandomKey(seed: 5, purpose: .generatedData), stream: stream)
      return view
    }
    func words(_ numbers: [Int]) -> UnsafePointer<Int32> {
      let words = arena.buffer(numbers.count, of: Int32.self)
      for (index, number) in numbers.enumerated() { words[index] = Int32(number) }
      return UnsafePointer(words.baseAddress!)
    }
    // Neither sources nor weights are in the order of the rows.
    rows = rnd_attention_rows(
      rows: 3, start: words([5, 0, 0]), length: words(lengths), place: words([0, 0, 3]), size: Self.size,
      width: Self.width, features: isAdditive ? Self.features : 0, center: center, window: window ?? -1)
    keys = random(8, Self.size, 0.5)
    query = random(3, Self.size, 0.5)
    v = random(1, Self.size)
    feature = random(8, Self.features)
    featureWeight = random(Self.features, Self.size, 0.5)
    values = random(8, Self.width)
    weightFactor = random(1, 8)
    contextFactor = random(3, Self.width)
    weights = arena.matrix(1, 8)
    context = arena.matrix(3, Self.width)
  }

  private var operands: rnd_attention_operands {
    rnd_attention_operands(
      keys: keys.base, query: query.base, query_stride: query.stride,
      v: isAdditive ? UnsafeRawPointer(v.base) : nil, features: feature.base,
      feature_weight: featureWeight.base, values: values.base)
  }

  func forward() {
    weights.fill(.nan)
    context.fill(.nan)
    rnd_attention_forward(
      Element.kernelType,
      rnd_attention(
        at: rows, of: operands, weights: weights.base, context: context.base, context_stride: context.stride),
      0, rows.rows)
  }

  /// Σ weights·factor + Σ contexts·factor.
  func loss() -> Double {
    forward()
    return zip([weights, context], [weightFactor, contextFactor]).reduce(0) { sum, pair in
      (0..<pair.0.count).reduce(sum) { $0 + Double(pair.0.base[$1]) * Double(pair.1.base[$1]) }
    }
  }

  struct Gradients {
    let keys, query, v, feature, featureWeight, values: MatrixView<Element>
  }

  /// The gradient of the loss. Accumulated gradients start at zero.
  func gradients() -> Gradients {
    forward()
    let result = Gradients(
      keys: arena.zeros(8, Self.size), query: arena.matrix(3, Self.size), v: arena.zeros(1, Self.size),
      feature: arena.matrix(8, Self.features), featureWeight: arena.zeros(Self.features, Self.size),
      values: arena.zeros(8, Self.width))
    let scores = arena.matrix(1, 8)
    scores.copy(from: weightFactor)
    rnd_attention_backward(
      Element.kernelType,
      rnd_attention_gradient(
        at: rows, of: operands, weights: weights.base, d_context: contextFactor.base,
        context_stride: contextFactor.stride, d_weights: scores.base, d_query: result.query.base,
        d_query_stride: result.query.stride, d_keys: result.keys.base, d_v: result.v.base,
        d_features: result.feature.base, d_feature_weight: result.featureWeight.base), 0, rows.rows)
    let (steps, place, row) = (
      arena.buffer(3, of: Int32.self), arena.buffer(1, of: Int64.self), arena.buffer(1, of: Int64.self)
    )
    for index in 0..<3 { steps[index] = 1 }
    (place[0], row[0]) = (0, 0)
    rnd_attention_values_backward(
      Element.kernelType,
      rnd_attention_values_gradient(
        at: rows, steps: UnsafePointer(steps.baseAddress!), step_place: UnsafePointer(place.baseAddress!),
        step_row: UnsafePointer(row.baseAddress!), weights: weights.base, d_context: contextFactor.base,
        context_stride: contextFactor.stride, d_values: result.values.base), 0, rows.rows)
    return result
  }

  /// Weights and contexts from their equations, position by position.
  func expected() -> (weights: [Double], context: [Double]) {
    var all = [Double](repeating: 0, count: 8)
    var contexts: [Double] = []
    for row in 0..<3 {
      let (start, length, place) = (Int(rows.start[row]), Int(rows.length[row]), Int(rows.place[row]))
      let center = min(rows.center, length - 1)
      let seen = (0..<length).filter { abs($0 - center) <= (rows.window < 0 ? length : rows.window) }
      let exponentials: [Double] = seen.map { position in
        var score = 0.0
        for unit in 0..<Self.size {
          var inner = Double(keys[start + position, unit])
          guard isAdditive else {
            score += inner * Double(query[row, unit])
            continue
          }
          inner += Double(query[row, unit])
          for index in 0..<Self.features {
            inner += Double(feature[place + position, index]) * Double(featureWeight[index, unit])
          }
          score += Double(v[0, unit]) * tanh(inner)
        }
        return exp(score)
      }
      let sum = exponentials.reduce(0, +)
      for (position, value) in zip(seen, exponentials) { all[place + position] = value / sum }
      contexts += (0..<Self.width).map { column in
        seen.reduce(0) { $0 + all[place + $1] * Double(values[start + $1, column]) }
      }
    }
    return (all, contexts)
  }
}
