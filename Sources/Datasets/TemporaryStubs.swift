public struct AdditionTask { public init(seed: UInt64, train: Int, valid: Int, test: Int) {} }
public struct DateTask { public init(seed: UInt64, train: Int, valid: Int, test: Int) {} }
public struct SymbolTask { public enum Kind { case copy, reverse }; public init(kind: Kind, seed: UInt64, train: Int, valid: Int, test: Int) {} }
public enum GeneratedTask {
 public static func dates(_ t: DateTask) -> SequenceSources { preconditionFailure() }
 public static func addition(_ t: AdditionTask) -> SequenceSources { preconditionFailure() }
 public static func symbols(_ t: SymbolTask) -> SequenceSources { preconditionFailure() }
}
