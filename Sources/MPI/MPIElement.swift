import COpenMPI

/// A number that MPI can send and reduce as it lies in memory.
public protocol MPIElement: BitwiseCopyable, Sendable {
  /// MPI's name for this type.
  static var datatype: Datatype { get }
}

/// MPI's name for the type of an element.
public struct Datatype {
  let handle: MPI_Datatype
}

extension Int8: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_int8()) }
}
extension UInt8: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_uint8()) }
}
extension Int16: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_int16()) }
}
extension UInt16: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_uint16()) }
}
extension Int32: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_int32()) }
}
extension UInt32: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_uint32()) }
}
extension Int64: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_int64()) }
}
extension UInt64: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_uint64()) }
}
extension Float: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_float()) }
}
extension Double: MPIElement {
  public static var datatype: Datatype { Datatype(handle: shim_double()) }
}
