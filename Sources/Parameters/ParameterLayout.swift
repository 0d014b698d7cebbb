/// A handle to one parameter: its name, its shape and where it lies in the flat buffer. It owns no floats.
public struct Parameter: Sendable, Hashable {
  /// PyTorch's name of the parameter, for example `rnn.weight_ih_l0`.
  public let name: String
  public let shape: [Int]
  /// Index of the first element in the flat buffer.
  public let offset: Int

  /// Number of elements; `Int.max` if it is larger than that.
  public var count: Int {
    shape.reduce(1) { product, extent in
      let (larger, overflows) = product.multipliedReportingOverflow(by: extent)
      return overflows ? .max : larger
    }
  }
  /// The elements' place in the flat buffer.
  public var range: Range<Int> { offset..<saturatingSum(offset, count) }
}

/// Every parameter of a model with its place in ONE contiguous buffer, in forward order and without holes.
///
/// Parameters, gradients and optimizer moments are buffers with the same layout, so that everything that treats
/// all parameters alike (update, norm, reduction, broadcast, checkpoint) is one loop or one call over a flat
/// array.
public struct ParameterLayout: Sendable {
  public let parameters: [Parameter]
  /// Further names of parameters that are used in two places (tied weights).
  public let aliases: [(name: String, parameter: Parameter)]
  let initializers: [Initializer]
  /// The parameters that are used for looking up rows and for nothing else, in layout order: the gradient of a step is zero
  /// outside of the rows that the step has read.
  public let tables: [Parameter]

  /// Number of elements of the flat buffer.
  public var count: Int { parameters.last?.range.upperBound ?? 0 }

  /// The parameter of a name or of an alias.
  public subscript(name: String) -> Parameter? {
    parameters.first { $0.name == name } ?? aliases.first { $0.name == name }?.parameter
  }

  /// The parameters that overlap a range of the flat buffer, for messages about the values there.
  public func parameters(overlapping range: Range<Int>) -> [Parameter] {
    parameters.filter { $0.range.overlaps(range) }
  }

  /// Hands out parameters one after the other: a size is written once, where the handle is made.
  public struct Builder {
    private var parameters: [Parameter] = []
    private var aliases: [(name: String, parameter: Parameter)] = []
    private var initializers: [Initializer] = []
    private var tables: [Parameter] = []
    private var names: Set<String> = []
    private var prefix = ""
    private var next = 0
    /// If set, every parameter is drawn from U(-bound, bound), whatever its layer asks for, except constants that the
    /// layer insists on.
    private let uniformOverride: Double?

    public init(initializeAllUniform bound: Double? = nil) { uniformOverride = bound }

    /// Adds a parameter behind all others. Requires a new name and a shape of positive extents.
    ///
    /// - Parameters:
    ///   - insists: the parameter has this initial value even where all others are drawn from U(-bound, bound): the gain of
    ///     a normalization would be useless with a random value.
    ///   - isTable: the parameter is used for looking up rows and for nothing else; its gradient is added to with
    ///     ``ParameterBuffer/addRows(_:at:of:)``, or ``ParameterBuffer/touchAll(_:)`` is called. Tied parameters are not
    ///     tables.
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

    /// Gives a parameter a second name: it is used in two places, and its gradient is the sum of both.
    public mutating func tie(_ name: String, to parameter: Parameter) {
      precondition(names.insert(prefix + name).inserted, "two parameters named \(prefix)\(name)")
      aliases.append((prefix + name, parameter))
      tables.removeAll { $0 == parameter }
    }

    /// Runs `body` with `name.` before every parameter name.
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

/// A described model may be larger than any machine; its size must still be a number.
private func saturatingSum(_ first: Int, _ second: Int) -> Int {
  let (sum, overflows) = first.addingReportingOverflow(second)
  return overflows ? .max : sum
}
