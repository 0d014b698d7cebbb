import Foundation
import SwiftProtobuf

/// An ONNX graph under construction: every operation adds a node and returns the name of its value.
///
/// Operators: https://onnx.ai/onnx/operators, in the version of ``opset``.
final class Graph {
  /// The version of the operators; 17 is that of ONNX 1.12 (2022).
  static let opset: Int64 = 17
  /// The version of the file format that belongs to this opset.
  static let formatVersion: Int64 = 8

  /// The extent of a dimension: a number, or a name if the caller determines it.
  enum Extent: ExpressibleByIntegerLiteral, ExpressibleByStringLiteral {
    case fixed(Int)
    case named(String)

    init(integerLiteral value: Int) { self = .fixed(value) }
    init(stringLiteral value: String) { self = .named(value) }
  }

  /// The types of elements, with their numbers in `TensorProto.DataType`.
  enum ElementType: Int32 {
    case float = 1
    case int64 = 7
  }

  /// An attribute of a node.
  enum Attribute {
    case int(Int)
    case ints([Int])
    case float(Double)
    case text(String)
    case texts([String])
    case graph(Graph)
  }

  private var content = Onnx_GraphProto()
  /// The graph around the body of a loop, whose values and weights the body can use.
  private let outer: Graph?
  private let weights: ExportedWeights
  /// The names of existing initializers.
  private var initializers: Set<String> = []
  private var count = 0

  init(_ name: String, _ weights: ExportedWeights) {
    (outer, self.weights) = (nil, weights)
    content.name = name
  }

  /// Creates the body of a loop in another graph.
  init(bodyIn outer: Graph) {
    (self.outer, weights) = (outer, outer.weights)
    content.name = outer.root.newName()
  }

  private var root: Graph { outer?.root ?? self }
  /// The name of the graph.
  var name: String { content.name }

  private func newName() -> String {
    count += 1
    return "v\(count)"
  }

  // MARK: - Inputs and outputs

  func input(_ name: String, _ type: ElementType, _ extents: [Extent]) -> String {
    content.input.append(Self.value(name, type, extents))
    return name
  }

  /// Makes a value an output of the graph.
  func output(_ name: String, _ value: String, _ type: ElementType = .float, _ extents: [Extent]) {
    var node = Onnx_NodeProto()
    (node.opType, node.input, node.output) = ("Identity", [value], [name])
    content.node.append(node)
    content.output.append(Self.value(name, type, extents))
  }

  private static func value(_ name: String, _ type: ElementType, _ extents: [Extent]) -> Onnx_ValueInfoProto {
    var value = Onnx_ValueInfoProto()
    value.name = name
    value.type.tensorType.elemType = type.rawValue
    value.type.tensorType.shape.dim = extents.map { extent in
      var dimension = Onnx_TensorShapeProto.Dimension()
      switch extent {
      case .fixed(let count): dimension.dimValue = Int64(count)
      case .named(let name): dimension.dimParam = name
      }
      return dimension
    }
    return value
  }

  // MARK: - Weights and constants

  /// A weight of the model under its own name.
  func weight(_ name: String) -> String { constant(name, weights.required(name)) }

  /// A weight matrix [out, in] as the right operand of a product, [in, out].
  func transposedWeight(_ name: String) -> String {
    constant("\(name).T", weights.required(name).transposed)
  }

  /// The values of a weight, for rearranging them.
  func values(_ name: String) -> ExportedTensor { weights.required(name) }

  func constant(_ name: String, _ tensor: ExportedTensor) -> String {
    let bytes = tensor.values.withUnsafeBytes { Data($0) }
    return root.initializer(name, .float, tensor.shape, bytes)
  }

  func constant(_ value: Double) -> String {
    let bytes = withUnsafeBytes(of: Float(value)) { Data($0) }
    return root.initializer("float_\(value)", .float, [], bytes)
  }

  func constant(_ values: [Int]) -> String {
    let bytes = values.map(Int64.init).withUnsafeBytes { Data($0) }
    return root.initializer(
      "ints_" + values.map(String.init).joined(separator: "_"), .int64, [values.count], bytes)
  }

  private func initializer(_ name: String, _ type: ElementType, _ shape: [Int], _ bytes: Data) -> String {
    guard initializers.insert(name).inserted else { return name }
    var tensor = Onnx_TensorProto()
    (tensor.name, tensor.dataType, tensor.rawData) = (name, type.rawValue, bytes)
    tensor.dims = shape.map(Int64.init)
    content.initializer.append(tensor)
    return name
  }

  // MARK: - Operations

  /// Adds a node; returns its outputs.
  func nodes(
    _ type: String, _ inputs: [String], outputs: Int, _ attributes: KeyValuePairs<String, Attribute> = [:]
  ) -> [String] {
    var node = Onnx_NodeProto()
    node.opType = type
    node.input = inputs
    node.output = (0..<outputs).map { _ in root.newName() }
    node.attribute = attributes.map(Self.attribute)
    content.node.append(node)
    return node.output
  }

  /// Adds a node with one output.
  func node(
    _ type: String, _ inputs: [String], _ attributes: KeyValuePairs<String, Attribute> = [:]
  ) -> String {
    nodes(type, inputs, outputs: 1, attributes)[0]
  }

  private static func attribute(_ name: String, _ value: Attribute) -> Onnx_AttributeProto {
    var attribute = Onnx_AttributeProto()
    attribute.name = name
    switch value {
    case .int(let value): (attribute.type, attribute.i) = (.int, Int64(value))
    case .ints(let values): (attribute.type, attribute.ints) = (.ints, values.map(Int64.init))
    case .float(let value): (attribute.type, attribute.f) = (.float, Float(value))
    case .text(let text): (attribute.type, attribute.s) = (.string, Data(text.utf8))
    case .texts(let texts): (attribute.type, attribute.strings) = (.strings, texts.map { Data($0.utf8) })
    case .graph(let graph): (attribute.type, attribute.g) = (.graph, graph.content)
    }
    return attribute
  }

  func add(_ x: String, _ y: String) -> String { node("Add", [x, y]) }
  func subtract(_ x: String, _ y: String) -> String { node("Sub", [x, y]) }
  func multiply(_ x: String, _ y: String) -> String { node("Mul", [x, y]) }
  func tanh(_ x: String) -> String { node("Tanh", [x]) }
  func sigmoid(_ x: String) -> String { node("Sigmoid", [x]) }

  /// x Wᵀ + b of a linear layer `name.weight`, `name.bias`.
  func linear(_ x: String, _ name: String, hasBias: Bool = true) -> String {
    let product = node("MatMul", [x, transposedWeight("\(name).weight")])
    return hasBias ? add(product, weight("\(name).bias")) : product
  }

  /// Rows of a table.
  func lookUp(_ ids: String, _ table: String) -> String { node("Gather", [weight(table), ids]) }

  func concatenate(_ parts: [String], axis: Int) -> String {
    parts.count == 1 ? parts[0] : node("Concat", parts, ["axis": .int(axis)])
  }

  func split(_ x: String, _ sizes: [Int], axis: Int) -> [String] {
    nodes("Split", [x, constant(sizes)], outputs: sizes.count, ["axis": .int(axis)])
  }

  func unsqueeze(_ x: String, _ axis: Int) -> String { node("Unsqueeze", [x, constant([axis])]) }
  func squeeze(_ x: String, _ axis: Int) -> String { node("Squeeze", [x, constant([axis])]) }
  func transpose(_ x: String, _ order: [Int]) -> String { node("Transpose", [x], ["perm": .ints(order)]) }
  func sum(_ x: String, axis: Int) -> String {
    node("ReduceSum", [x, constant([axis])], ["keepdims": .int(0)])
  }

  /// The extent of a dimension as a list of one number.
  func extent(_ x: String, _ axis: Int) -> String {
    node("Gather", [node("Shape", [x]), constant([axis])])
  }

  /// Zeros of shape [n, width], where n is a list of one number.
  func zeros(_ count: String, _ width: Int) -> String {
    zeros(shape: concatenate([count, constant([width])], axis: 0))
  }

  /// Zeros of a shape that is a list of numbers.
  func zeros(shape: String) -> String { node("Expand", [constant(0.0), shape]) }

  /// 0, 1, … up to the extent of a dimension.
  func positions(_ x: String, axis: Int) -> String {
    let zero = root.initializer("int_0", .int64, [], withUnsafeBytes(of: Int64(0)) { Data($0) })
    let one = root.initializer("int_1", .int64, [], withUnsafeBytes(of: Int64(1)) { Data($0) })
    return node("Range", [zero, squeeze(extent(x, axis), 0), one])
  }

  /// A mask [B, T] of the positions of x [B, T, …] that belong to sequences of these lengths [B].
  func alive(_ x: String, _ lengths: String) -> String {
    node("Less", [unsqueeze(positions(x, axis: 1), 0), unsqueeze(lengths, 1)])
  }

  /// The softmax over the positions [B, T] that are alive; the others have weight 0.
  func maskedSoftmax(_ scores: String, _ alive: String) -> String {
    node("Softmax", [node("Where", [alive, scores, constant(-Double.infinity)])], ["axis": .int(1)])
  }

  // MARK: - The file

  /// The model as the bytes of an `.onnx` file.
  func serialized(metadata: [String: String], version: String) throws -> Data {
    var model = Onnx_ModelProto()
    model.irVersion = Self.formatVersion
    var operators = Onnx_OperatorSetIdProto()
    operators.version = Self.opset
    model.opsetImport = [operators]
    (model.producerName, model.producerVersion) = ("rnn-dist", version)
    model.graph = content
    model.metadataProps = metadata.sorted { $0.key < $1.key }.map { key, value in
      var entry = Onnx_StringStringEntryProto()
      (entry.key, entry.value) = (key, value)
      return entry
    }
    return try model.serializedData()
  }
}
