// Separate file: it is the only Swift interface to the functions of libm.

import CKernels

/// Functions of one real number, for higher-level code that does not link a mathematics library.
public enum RealFunctions {
  /// e to the power of x.
  public static func exp(_ x: Double) -> Double { rnd_exp(x) }

  /// The natural logarithm; -inf at 0, NaN below.
  public static func log(_ x: Double) -> Double { rnd_log(x) }

  /// x to the power of y.
  public static func power(_ x: Double, _ y: Double) -> Double { rnd_power(x, y) }
}
