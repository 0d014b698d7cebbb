/// A handle to one parameter: its name, its shape and its position in the flat buffer. It owns no memory.
public struct Parameter: Sendable, Hashable {
  /// PyTorch's name of the parameter, for example `rnn.weight_ih_l0`.
  public let name: String
  public let shape: [Int]
  /// The index of the first element in the flat buffer.
  public let offset: Int

  /// The number of elements; `Int.max` if it overflows.
  public var count: Int {
    shape.reduce(1) { product, extent in
      let (larger, overflows) = product.multipliedReportingOverflow(by: extent)
      return overflows ? .max : larger
    }
  }
  /// The range of the elements in the flat buffer.
  public var range: Range<Int> { offset..<saturatingSum(offset, count) }
}

/// The parameters of a model and their positions in ONE contiguous buffer, in forward order and without gaps.
///
/// Parameters, gradients and optimizer moments are buffers with the same layout. An operation on all parameters
/// (update, norm, reduction, broadcast, checkpoint) is therefore one loop or one call over a flat array.
public struct ParameterLayout: Sendable {
  public let parameters: [Parameter]
  /// Additional names of parameters that are used in two places (tied weights).
  public let aliases: [(name: String, parameter: Parameter)]
  let initializers: [Initializer]
  /// The parameters that are only used to look up rows, in layout order. The gradient of a step is zero outside of the
  /// rows that the step has read.
  public let tables: [Parameter]

  /// The number of elements in the flat buffer.
  public var count: Int { parameters.last?.range.upperBound ?? 0 }

  /// Returns the parameter with a name or an alias.
  public subscript(name: String) -> Parameter? {
    parameters.first { $0.name == name } ?? aliases.first { $0.name == name }?.parameter
  }

  /// Allocates parameters consecutively. A size is only written where the handle is created.
  public struct Builder {
    private var parameters: [Parameter] = []
    private var aliases: [(name: String, parameter: Parameter)] = []
    private var initializers: [Initializer] = []
    private var tables: [Parameter] = []
    private var names: Set<String> = []
    private var prefix = ""
    private var next = 0
    /// If set, every parameter is initialized from U(-bound, bound) instead of its layer's initializer, except
    /// constants on which the layer insists.
    private let uniformOverride: Double?

    public init(initializeAllUniform bound: Double? = nil) { uniformOverride = bound }

    /// Appends a parameter. Requires a new name and a shape of positive extents.
    ///
    /// - Parameters:
    ///   - insists: whether the parameter keeps this initial value even if all others are initialized from U(-bound,
    ///     bound). The gain of a normalization layer, for example, would be useless with a random value.
    ///   - isTable: whether the parameter is only used to look up rows. Its gradient must be added with
    ///     ``ParameterBuffer/addRows(_:at:of:)``, or marked with ``ParameterBuffer/touchAll(_:)``. Tied parameters are
    ///     not tables.
    public mutating func add(
      _ name: String, _ shape: [Int], _ initializer: Initializer, insists: Bool = false, isTable: Bool = false
    ) -> Parameter {
      precondition(shape.allSatisfy { $0 > 0 }, "parameter \(prefix)\(name) of shape \(shape)")
      let parameter = Parameter(name: prefix + name, shape: shape, offset: next)
      precondition(names.insert(parameter.name).inserted, "two parameters named \(parameter.name)")
      parameters.append(parameter)
      let override = insists ? nil : uniformOverride
      initializers.append(override.map(Initializer.uniform) ?? initializer)
      next = saturatingSum(next, parameter.count)
      if isTable { tables.append(parameter) }
      return parameter
    }

    /// Adds a second name for a parameter that is used in two places. Its gradient is the sum of both.
    public mutating func tie(_ name: String, to parameter: Parameter) {
      precondition(names.insert(prefix + name).inserted, "two parameters named \(prefix)\(name)")
      aliases.append((prefix + name, parameter))
      tables.removeAll { $0 == parameter }
    }

    /// Runs `body` with the prefix `name.` on every parameter name.
    public mutating func scoped<Result, Failure: Error>(
      _ name: String, _ body: (inout Builder) throws(Failure) -> Result
    ) throws(Failure) -> Result {
      let saved = prefix
      prefix += name + "."
      defer { prefix = saved }
      return try body(&self)
    }

    public func build() -> ParameterLayout {
      ParameterLayout(parameters: parameters, aliases: aliases, initializers: initializers, tables: tables)
    }
  }
}

/// Saturates instead of overflowing, because the described model may be larger than any machine.
private func saturatingSum(_ first: Int, _ second: Int) -> Int {
  let (sum, overflows) = first.addingReportingOverflow(second)
  return overflows ? .max : sum
}
