import CKernels
import NumericKernels
import Parameters

/// The connection around a layer, from the second layer of a network on.
public enum LayerConnectionKind: String, Sendable, Hashable, CaseIterable {
  /// Nothing: x_{l+1} = y_l.
  case none
  /// x_{l+1} = y_l + x_l (Wu et al. 2016, equation 4).
  case residual
  /// x_{l+1} = t ∘ y_l + (1 − t) ∘ x_l with a gate t = σ(W x_l + b) (Srivastava et al. 2015, equation 3).
  case highway
}

/// A connection around one layer, of equal input and output size D.
///
/// It carries the layer's input before dropout, as TensorFlow's ResidualWrapper around a DropoutWrapper does.
enum LayerConnection: Sendable {
  case none
  case residual
  /// W [D, D] and b [D].
  case highway(weight: Parameter, bias: Parameter)

  /// Adds the parameters of a connection: for a highway `highway_weight`, drawn from U(±1/√D), and `highway_bias`,
  /// initially −1, so that a layer passes more of its input than it changes (section 2.2 of the paper).
  init(
    _ kind: LayerConnectionKind, size: Int, suffix: String, in builder: inout ParameterLayout.Builder
  ) {
    switch kind {
    case .none: self = .none
    case .residual: self = .residual
    case .highway:
      self = .highway(
        weight: builder.add(
          "highway_weight" + suffix, [size, size], .uniform(1 / Double(size).squareRoot())),
        bias: builder.add("highway_bias" + suffix, [size], .constant(-1), insists: true))
    }
  }

  var parameters: [Parameter] {
    if case .highway(let weight, let bias) = self { [weight, bias] } else { [] }
  }
  var isNone: Bool { if case .none = self { true } else { false } }
}

/// The values between two layers of a stack, for all rows of a batch.
struct StackLevel<Element: Scalar> {
  /// The value that the connection carries past the layer: the output of the level below.
  let carried: MatrixView<Element>
  /// The layer's input: the same, or a copy with dropped units.
  let read: MatrixView<Element>
  /// The layer's own output.
  let computed: MatrixView<Element>
  /// The output of the level.
  let output: MatrixView<Element>
  /// Highway: the gate's activations; the backward pass overwrites them with the gradients of its pre-activations.
  let gate: MatrixView<Element>
}

extension LayerConnection {
  /// Allocates the level of a layer.
  func makeLevel<Element>(
    carried: MatrixView<Element>, read: MatrixView<Element>, computed: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) -> StackLevel<Element> {
    let (N, D, arena) = (computed.rows, computed.columns, context.arena)
    var gate = arena.matrix(0, 0)
    if case .highway = self { gate = arena.matrix(N, D) }
    return StackLevel(
      carried: carried, read: read, computed: computed, output: isNone ? computed : arena.matrix(N, D),
      gate: gate)
  }

  /// The output of some rows of a level, once the layer has computed them.
  func join<Element>(
    _ level: StackLevel<Element>, rows: Range<Int>, _ context: LayerContext<Element>
  ) {
    let (x, y, output) = (level.carried.rows(rows), level.computed.rows(rows), level.output.rows(rows))
    switch self {
    case .none: break
    case .residual:
      output.copy(from: y)
      output.add(x)
    case .highway(let weight, let bias):
      let gate = level.gate.rows(rows)
      context.packed(weight, transposed: true).multiply(x, into: gate, accumulate: false)
      gate.activate(.sigmoid, bias: context.parameters.pointer(bias))
      rnd_highway_forward(
        Element.kernelType,
        rnd_highway(
          count: output.count, gate: gate.base, x: x.base, y: y.base, out: output.base, d_out: nil, dx: nil,
          dy: nil))
    }
  }

  /// The gradients of the layer's output and of the carried value for some rows, in arena memory or `dOutput` itself. Without
  /// a connection nothing is carried.
  func split<Element>(
    _ level: StackLevel<Element>, rows: Range<Int>, _ dOutput: MatrixView<Element>,
    _ context: LayerContext<Element>
  ) -> (computed: MatrixView<Element>, carried: MatrixView<Element>?) {
    switch self {
    case .none: return (dOutput, nil)
    case .residual: return (dOutput, dOutput.copied(to: context.arena))
    case .highway(let weight, _):
      let (dOutput, gate) = (dOutput.contiguous(context.arena), level.gate.rows(rows))
      let dComputed = context.arena.matrix(dOutput.rows, dOutput.columns)
      let dCarried = context.arena.matrix(dOutput.rows, dOutput.columns)
      rnd_highway_backward(
        Element.kernelType,
        rnd_highway(
          count: dOutput.count, gate: gate.base, x: level.carried.row(rows.lowerBound),
          y: level.computed.row(rows.lowerBound), out: nil, d_out: dOutput.base, dx: dCarried.base,
          dy: dComputed.base))
      context.packed(weight, transposed: false).multiply(gate, into: dCarried, accumulate: true)
      return (dComputed, dCarried)
    }
  }

  /// Adds the gradients of the parameters, once all rows have been split.
  func addGradients<Element>(
    _ level: StackLevel<Element>, to gradients: ParameterBuffer<Element>, _ context: LayerContext<Element>
  ) {
    guard case .highway(let weight, let bias) = self else { return }
    context.multiply(level.gate, level.carried, .left, into: gradients.matrix(weight), accumulate: true)
    level.gate.addColumnSums(to: gradients.pointer(bias))
  }
}
