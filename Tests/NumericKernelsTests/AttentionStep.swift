import NumericKernels

/// One decoder step of three rows over ragged sources, one of them empty, with everything the attention kernels read and
/// write; sizes that no vector width divides and that span several chunks of a kernel.
final class AttentionStep<Element: Scalar> {
  static var lengths: [Int] { [3, 0, 5] }
  static var size: Int { 300 }
  static var width: Int { 37 }
  static var features: Int { 3 }

  private let arena = Arena<Element>()
  let isAdditive: Bool
  private var rows: AttentionRows
  let keys, query, v, feature, featureWeight, values: MatrixView<Element>
  /// What a loss multiplies weights and contexts with.
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
      let words = arena.words(numbers.count, of: Int32.self)
      for (index, number) in numbers.enumerated() { words[index] = Int32(number) }
      return UnsafePointer(words.baseAddress!)
    }
    // Neither sources nor weights lie in the order of the rows.
    rows = AttentionRows(
      rows: 3, start: words([5, 0, 0]), length: words(lengths), place: words([0, 0, 3]), size: Self.size,
      width: Self.width, features: isAdditive ? Self.features : 0, window: window)
    rows.center = center
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

  private var operands: AttentionOperands<Element> {
    AttentionOperands(
      keys: keys.base, query: query.base, queryStride: query.stride,
      v: isAdditive ? UnsafePointer(v.base) : nil,
      features: feature.base, featureWeight: featureWeight.base, values: values.base)
  }

  func forward() {
    weights.fill(.nan)
    context.fill(.nan)
    Element.attentionForward(
      rows, operands, weights: weights.base, context: context.base, contextStride: context.stride)
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

  /// The gradient of the loss; what is added to starts at zero.
  func gradients() -> Gradients {
    forward()
    let result = Gradients(
      keys: arena.zeros(8, Self.size), query: arena.matrix(3, Self.size), v: arena.zeros(1, Self.size),
      feature: arena.matrix(8, Self.features), featureWeight: arena.zeros(Self.features, Self.size),
      values: arena.zeros(8, Self.width))
    let scores = arena.matrix(1, 8)
    scores.copy(from: weightFactor)
    Element.attentionBackward(
      rows, operands, weights: weights.base, contextGradient: contextFactor.base,
      contextStride: contextFactor.stride,
      into: AttentionGradients(
        weights: scores.base, query: result.query.base, queryStride: result.query.stride,
        keys: result.keys.base,
        v: result.v.base, features: result.feature.base, featureWeight: result.featureWeight.base))
    let (steps, place, row) = (
      arena.words(3, of: Int32.self), arena.words(1, of: Int64.self), arena.words(1, of: Int64.self)
    )
    for index in 0..<3 { steps[index] = 1 }
    (place[0], row[0]) = (0, 0)
    Element.attentionValuesBackward(
      rows, steps: UnsafePointer(steps.baseAddress!), stepPlace: UnsafePointer(place.baseAddress!),
      stepRow: UnsafePointer(row.baseAddress!), weights: weights.base, contextGradient: contextFactor.base,
      contextStride: contextFactor.stride, valuesGradient: result.values.base)
    return result
  }

  /// Weights and contexts from their equations, position by position.
  func expected() -> (weights: [Double], context: [Double]) {
    var all = [Double](repeating: 0, count: 8)
    var contexts: [Double] = []
    for row in 0..<3 {
      let (start, length, place) = (Int(rows.start[row]), Int(rows.length[row]), Int(rows.place[row]))
      let center = min(rows.center, length - 1)
      let seen = (0..<length).filter { abs($0 - center) <= rows.window ?? length }
      let exponentials: [Double] = seen.map { position in
        var (score, result) = (0.0, 0.0)
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
          var activated = 0.0
          Double.tanh(&inner, &activated, 1)
          score += Double(v[0, unit]) * activated
        }
        Double.exp(&score, &result, 1)
        return result
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
