import Checkpoints
import Foundation
import NumericKernels
import Parameters
import RecurrentNN
import Testing

@testable import Datasets
@testable import Exporting
@testable import Tasks

/// Inputs of a model and the outputs that the program computes from them, as named arrays.
///
/// Inputs have the names of the ONNX graphs. `log_probabilities` [batch, steps, …] are those of the classes or of the next
/// tokens, `probabilities` those of bits, `values` numbers, `best_path` and `path_score` those of a conditional random
/// field. Models that write sequences read the tokens `target` after the begin mark.
struct ReferenceOutputs {
  private(set) var floats: [String: ExportedTensor] = [:]
  private(set) var integers: [String: (shape: [Int], values: [Int])] = [:]

  private let model: ExportedModel
  private let parameters: ParameterBuffer<Float>
  private let workspace = Workspace<Float>()
  private let memory = Memory()
  private var context: LayerContext<Float> { LayerContext(parameters: parameters, workspace: workspace) }

  /// Two sequences, of which the second is shorter.
  private static let (batch, steps, lengths) = (2, 5, [5, 3])
  /// Those of a second source.
  private static let otherLengths = [2, 4]

  /// - Parameter parameters: as the program uses them, without folded constants.
  init(_ model: ExportedModel, _ parameters: ParameterBuffer<Float>) throws {
    (self.model, self.parameters) = (model, parameters)
    switch model.shape {
    case .languageModel(let shape): try languageModel(shape)
    case .tagger(let shape): try tagger(shape)
    case .classifier(let shape): try classifier(shape)
    case .matcher(let shape): try matcher(shape)
    case .generator(let shape): try generator(shape)
    case .encoderDecoder(let shape): try encoderDecoder(shape)
    }
  }

  /// Writes all arrays to a safetensors file.
  func write(to path: String) throws {
    var tensors = floats.sorted { $0.key < $1.key }.map { name, tensor in
      let bytes = UnsafeRawBufferPointer(start: pointer(tensor.values), count: tensor.values.count * 4)
      return TensorToWrite(name: name, dtype: .float32, shape: tensor.shape, bytes: bytes)
    }
    tensors += integers.sorted { $0.key < $1.key }.map { name, tensor in
      let values = tensor.values.map { Int64($0) }
      let bytes = UnsafeRawBufferPointer(start: pointer(values), count: values.count * 8)
      return TensorToWrite(name: name, dtype: .int64, shape: tensor.shape, bytes: bytes)
    }
    try SafetensorsFile.write(to: path, tensors: tensors)
  }

  /// Ids without a simple pattern.
  private static func id(_ sequence: Int, _ step: Int, below bound: Int) -> Int {
    (sequence * 7 + step * step * 3 + step + 1) % bound
  }

  /// - Parameter canMiss: whether some numbers are NaN.
  private static func number(_ sequence: Int, _ step: Int, _ place: Int, canMiss: Bool) -> Float {
    let isMissing = canMiss && (sequence + step + place) % 4 == 1
    return isMissing ? .nan : Float((sequence * 5 + step * 3 + place * 7) % 11) / 5 - 1
  }

  /// Numbers of a caller as the program gives them to the network.
  private func scaled(_ numbers: [Float], width: Int) -> [Float] {
    guard let scale = model.encoding.sourceScale else { return numbers }
    let marked = model.readsMissing ? WindowedTable.withMask(numbers, width) : numbers
    return scale.apply(marked, width: scale.means.count)
  }

  /// Numbers of the network in the units of the data, with quantiles in order.
  private func inUnits(_ values: [Float], _ shape: OutputShape) -> [Float] {
    let outputs = shape.unitsPerNumber
    let values = model.encoding.targetScale?.undo(values, outputs: outputs) ?? values
    return stride(from: 0, to: values.count, by: outputs).flatMap { values[$0..<$0 + outputs].sorted() }
  }

  /// A copy that lives as long as this value.
  private func pointer<T: BitwiseCopyable>(_ values: [T]) -> UnsafePointer<T> { memory.copy(of: values) }

  private static func logSoftmax(_ row: [Float]) -> [Float] {
    let largest = row.max() ?? 0
    let sum = row.reduce(0) { $0 + exp($1 - largest) }
    return row.map { $0 - largest - log(sum) }
  }

  private func row(_ matrix: MatrixView<Float>, _ index: Int) -> [Float] {
    Array(UnsafeBufferPointer(start: matrix.row(index), count: matrix.columns))
  }

  // MARK: - Language models

  private mutating func languageModel(_ shape: LanguageModelShape) throws {
    let model = try LanguageModel<Float>(shape)
    let (B, T, V) = (Self.batch, Self.steps, shape.vocabularySize)
    let state = model.stateParts.map { workspace.arena.zeros(B, $0) }
    var scores = [Float](repeating: 0, count: B * T * V)
    var tokens = [Int](repeating: 0, count: B * T)
    for step in 0..<T {
      let ids = (0..<B).map { Int32(Self.id($0, step, below: V)) }
      let logits = workspace.arena.matrix(B, V)
      ids.withUnsafeBufferPointer { model.step($0, state: state, logits: logits, context) }
      for sequence in 0..<B {
        tokens[sequence * T + step] = Int(ids[sequence])
        let place = (sequence * T + step) * V
        scores.replaceSubrange(place..<place + V, with: Self.logSoftmax(row(logits, sequence)))
      }
    }
    integers["tokens"] = ([B, T], tokens)
    floats["log_probabilities"] = ExportedTensor([B, T, V], scores)
    // The state before the first token, and that after the last.
    let isLSTM = shape.options.network.cell.kind == .lstm
    for (part, matrix) in state.enumerated() {
      let name = isLSTM ? "\(part % 2 == 0 ? "h" : "c")_l\(part / 2)" : "h_l\(part)"
      floats[name] = ExportedTensor([B, matrix.columns], [Float](repeating: 0, count: B * matrix.columns))
      floats["next_\(name)"] = ExportedTensor([B, matrix.columns], (0..<B).flatMap { row(matrix, $0) })
    }
  }

  // MARK: - Sequences

  /// The input of a tagger or classifier, padded in the arrays and concatenated for the model.
  ///
  /// - Parameter suffix: of the names of the arrays: that of a second source is 2, and its content another one.
  private mutating func sequences(
    _ input: InputShape, lengths: [Int], suffix: String = ""
  ) -> InputSequences<Float> {
    let (B, T) = (Self.batch, Self.steps)
    integers["lengths\(suffix)"] = ([B], lengths)
    let places = (0..<B).flatMap { sequence in (0..<lengths[sequence]).map { (sequence, $0) } }
    let first = suffix.isEmpty ? 0 : B
    func id(_ place: (sequence: Int, step: Int), below bound: Int) -> Int {
      Self.id(first + place.sequence, place.step, below: bound)
    }
    func padded(_ bound: Int) -> [Int] {
      (0..<B * T).map { $0 % T < lengths[$0 / T] ? id(($0 / T, $0 % T), below: bound) : 0 }
    }
    let canMiss = model.readsMissing
    func number(_ place: (sequence: Int, step: Int), _ column: Int) -> Float {
      Self.number(first + place.sequence, place.step, column, canMiss: canMiss)
    }
    switch input {
    case .tokens(let count, _):
      integers["tokens\(suffix)"] = ([B, T], padded(count))
      let ids = places.map { Int32(id($0, below: count)) }
      return InputSequences(lengths: lengths, content: .tokens(pointer(ids), characters: nil))
    case .words(let count, _, let characters):
      integers["words\(suffix)"] = ([B, T], padded(count))
      return InputSequences(
        lengths: lengths,
        content: .tokens(
          pointer(places.map { Int32(id($0, below: count)) }),
          characters: spelling(places, characters.vocabularySize, lengths, suffix)))
    case .vectors(let size):
      let width = model.callerWidth(size)
      let numbers = places.flatMap { place in (0..<width).map { number(place, $0) } }
      floats["x\(suffix)"] = ExportedTensor(
        [B, T, width],
        (0..<B * T).flatMap { row in
          (0..<width).map { row % T < lengths[row / T] ? number((row / T, row % T), $0) : 0 }
        })
      return InputSequences(
        lengths: lengths, content: .vectors(pointer(scaled(numbers, width: width)), width: size))
    }
  }

  /// Characters of every word: one to three.
  private mutating func spelling(
    _ places: [(Int, Int)], _ bound: Int, _ lengths: [Int], _ suffix: String
  ) -> InputSequences<Float>.WordForms {
    let (B, T) = (Self.batch, Self.steps)
    func count(_ place: (Int, Int)) -> Int { 1 + (place.0 + place.1 * 2) % 3 }
    func character(_ place: (Int, Int), _ index: Int) -> Int {
      (place.0 * 3 + place.1 * 5 + index * 2 + 1) % bound
    }
    integers["word_lengths\(suffix)"] = (
      [B, T], (0..<B * T).map { $0 % T < lengths[$0 / T] ? count(($0 / T, $0 % T)) : 0 }
    )
    integers["characters\(suffix)"] = (
      [B, T, 3],
      (0..<B * T * 3).map { index in
        let place = (index / 3 / T, index / 3 % T)
        return place.1 < lengths[place.0] && index % 3 < count(place) ? character(place, index % 3) : 0
      }
    )
    return InputSequences<Float>.WordForms(
      index: pointer(places.indices.map { Int32($0) }), lengths: places.map(count),
      characters: pointer(places.flatMap { place in (0..<count(place)).map { Int32(character(place, $0)) } }))
  }

  private mutating func tagger(_ shape: SequenceTaggerShape) throws {
    let model = try SequenceTagger<Float>(shape)
    let (B, T, C) = (Self.batch, Self.steps, shape.output.size)
    let input = sequences(shape.network.encoder.input, lengths: Self.lengths)
    let rows = Self.lengths.reduce(0, +)
    let starts = [0, Self.lengths[0]]
    func padded(_ width: Int, _ value: (_ row: Int, _ place: Int) -> Float) -> ExportedTensor {
      ExportedTensor(
        [B, T, width],
        (0..<B * T * width).map { index in
          let (sequence, step) = (index / width / T, index / width % T)
          return step < Self.lengths[sequence] ? value(starts[sequence] + step, index % width) : 0
        })
    }
    func loss(_ targets: [Int32]) -> Float {
      Float(
        model.evaluate(
          LabeledBatch(input: input, targets: .classes(pointer(targets))), into: nil, context
        ).total)
    }
    switch (shape.output.kind, model.predict(input, context)) {
    case (.softmax, _):
      floats["log_probabilities"] = padded(C) { row, tag in
        loss((0..<rows).map { $0 == row ? Int32(tag) : -1 }) * -1
      }
    case (.crf, .classes(let path)):
      integers["best_path"] = ([rows], path.map { Int($0) })
      let tags = (0..<rows).map { ($0 * 2 + 1) % C }
      integers["path"] = ([rows], tags)
      floats["path_score"] = ExportedTensor([1], [-loss(tags.map { Int32($0) })])
    case (_, .bits(let values)): floats["probabilities"] = padded(C) { values[$0 * C + $1] }
    case (_, .numbers(let numbers)):
      let values = inUnits(numbers, shape.output)
      floats["values"] = padded(C) { values[$0 * C + $1] }
    default: Issue.record("a tagger of another kind")
    }
  }

  private mutating func classifier(_ shape: SequenceClassifierShape) throws {
    let model = try SequenceClassifier<Float>(shape)
    let lengths = shape.pooling.kind == .all ? [Self.steps, Self.steps] : Self.lengths
    write(
      model.predict(sequences(shape.network.encoder.input, lengths: lengths), context).output, shape.output)
  }

  private mutating func matcher(_ shape: SequenceMatcherShape) throws {
    let model = try SequenceMatcher<Float>(shape)
    let input = shape.network.encoder.input
    let isAll = shape.pooling.kind == .all
    let first = sequences(input, lengths: isAll ? [Self.steps, Self.steps] : Self.lengths)
    let second = sequences(input, lengths: isAll ? [Self.steps, Self.steps] : Self.otherLengths, suffix: "2")
    write(model.predict(first, second, context), shape.output)
  }

  private mutating func write(_ output: ClassifierPrediction<Float>.Output, _ shape: OutputShape) {
    switch output {
    case .classes(_, let probabilities):
      floats["log_probabilities"] = ExportedTensor([Self.batch, shape.size], probabilities.map { log($0) })
    case .numbers(let numbers):
      floats["values"] = ExportedTensor([Self.batch] + shape.extents, inUnits(numbers, shape))
    }
  }

  // MARK: - Models that write sequences

  private mutating func generator(_ shape: GeneratorShape) throws {
    let model = try Generator<Float>(shape)
    let batchSize = Self.batch
    let conditions: GeneratorConditions<Float>
    switch shape.condition {
    case .classes(let count, _) where shape.form != .none:
      let classes = (0..<batchSize).map { ($0 + 1) % count }
      integers["classes"] = ([batchSize], classes)
      conditions = .classes(pointer(classes.map { Int32($0) }))
    case .features(let size) where shape.form != .none:
      let (width, canMiss) = (self.model.callerWidth(size), self.model.readsMissing)
      let numbers = (0..<batchSize * width).map { Self.number($0 / width, 0, $0 % width, canMiss: canMiss) }
      floats["features"] = ExportedTensor([batchSize, width], numbers)
      conditions = .features(pointer(scaled(numbers, width: width)))
    default:
      integers["batch_size"] = ([1], [batchSize])
      conditions = .none
    }
    write(model.decoder(for: conditions, count: batchSize, context), shape.decoder)
  }

  private mutating func encoderDecoder(_ shape: EncoderDecoderShape) throws {
    let model = try EncoderDecoder<Float>(shape)
    var sources: [InputSequences<Float>] = []
    for (index, source) in shape.sources.enumerated() {
      let suffix = index == 0 ? "" : "\(index + 1)"
      sources.append(
        sequences(source.input, lengths: index == 0 ? Self.lengths : Self.otherLengths, suffix: suffix))
      for name in ["tokens", "words"] {
        if let ids = integers.removeValue(forKey: name + suffix) { integers["source\(suffix)"] = ids }
      }
      if let x = floats.removeValue(forKey: "x\(suffix)") { floats["source\(suffix)"] = x }
    }
    write(model.decoder(for: sources, context), shape.decoder)
  }

  /// The scores of all steps for a target.
  private mutating func write(_ decoder: SequenceDecoder<Float>, _ shape: DecoderShape) {
    let (B, T, V) = (Self.batch, 4, shape.vocabularySize)
    var scores = [Float](repeating: 0, count: B * (T + 1) * V)
    let target = (0..<B * T).map { 3 + Self.id($0 / T, $0 % T, below: V - 3) }
    for step in 0...T {
      let ids = (0..<B).map { step == 0 ? Int32(shape.beginToken) : Int32(target[$0 * T + step - 1]) }
      let parents = (0..<B).map { Int32($0) }
      let logits = MatrixView(UnsafeMutablePointer<Float>.allocate(capacity: B * V), rows: B, columns: V)
      defer { logits.base.deallocate() }
      ids.withUnsafeBufferPointer { ids in
        parents.withUnsafeBufferPointer { decoder.advance(tokens: ids, parents: $0, logits: logits) }
      }
      for sequence in 0..<B {
        let place = (sequence * (T + 1) + step) * V
        scores.replaceSubrange(place..<place + V, with: Self.logSoftmax(row(logits, sequence)))
      }
    }
    integers["target"] = ([B, T], target)
    floats["log_probabilities"] = ExportedTensor([B, T + 1, V], scores)
  }
}

/// Arrays that models point to.
private final class Memory {
  private var blocks: [UnsafeMutableRawPointer] = []

  func copy<T: BitwiseCopyable>(of values: [T]) -> UnsafePointer<T> {
    let block = UnsafeMutablePointer<T>.allocate(capacity: max(1, values.count))
    block.initialize(from: values, count: values.count)
    blocks.append(UnsafeMutableRawPointer(block))
    return UnsafePointer(block)
  }

  deinit { for block in blocks { block.deallocate() } }
}
