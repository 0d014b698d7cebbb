import CKernels

/// An element type of the numeric core: `Float` for training, `Double` for gradient checks.
///
/// A kernel is called by its C name with this type's ``kernelType`` and one struct of named fields:
///
///     KernelThreads.shareRows(n, width: H) {
///       rnd_lstm_forward(Element.kernelType, rnd_lstm(units: H, gates: …, bias: …, …), $0, $1)
///     }
///
/// It works on a whole block, so generic code pays for dispatch once per block rather than once per element. The headers
/// of CKernels document each field, and whether a result is added to or overwritten.
public protocol Scalar: BinaryFloatingPoint, Sendable, CustomStringConvertible {
  /// The type of the elements, for kernels.
  static var kernelType: rnd_element { get }
}

extension Float: Scalar {
  public static var kernelType: rnd_element { rnd_f32 }
}

extension Double: Scalar {
  public static var kernelType: rnd_element { rnd_f64 }
}

/// Bulk operations on memory of plain numbers.
///
/// The standard library's `update(from:)` and `update(repeating:)` go through value witnesses, element by element, in generic
/// code that is not specialized; these are `memmove` and `memset` for every element type.
extension UnsafeMutablePointer where Pointee: Scalar {
  /// Overwrites `count` elements with those of `source`, which may overlap.
  public func copyElements(from source: UnsafePointer<Pointee>, count: Int) {
    UnsafeMutableRawPointer(self).copyMemory(from: source, byteCount: count * MemoryLayout<Pointee>.stride)
  }

  /// Overwrites `count` elements with zero: all bits zero is 0.0 in IEEE 754.
  public func zeroElements(count: Int) {
    UnsafeMutableRawPointer(self).initializeMemory(
      as: UInt8.self, repeating: 0, count: count * MemoryLayout<Pointee>.stride)
  }

  /// `self += alpha x`, element by element.
  public func addScaled(_ alpha: Pointee, _ x: UnsafePointer<Pointee>, count: Int) {
    KernelThreads.split(count, elements: count, unit: 16) {
      rnd_add_scaled(Pointee.kernelType, rnd_scaled(alpha: Double(alpha), x: x, y: self), $0, $1)
    }
  }
}
