import CKernels

/// The choosing kernels an element type provides.
public protocol ChoiceScalar {
  /// Overwrites `chosen` [rows] with the first column of the largest score of each row or, if `uniform` [rows] is given,
  /// with a draw from the softmax of the scores.
  static func chooseRows(
    _ scores: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, uniform: UnsafePointer<Self>?,
    _ chosen: UnsafeMutablePointer<Int32>)
}

extension Float: ChoiceScalar {
  public static func chooseRows(
    _ scores: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, uniform: UnsafePointer<Self>?,
    _ chosen: UnsafeMutablePointer<Int32>
  ) {
    rnd_choose_rows_f32(scores, Int64(stride), Int64(rows), Int64(columns), uniform, chosen)
  }
}

extension Double: ChoiceScalar {
  public static func chooseRows(
    _ scores: UnsafePointer<Self>, _ stride: Int, _ rows: Int, _ columns: Int, uniform: UnsafePointer<Self>?,
    _ chosen: UnsafeMutablePointer<Int32>
  ) {
    rnd_choose_rows_f64(scores, Int64(stride), Int64(rows), Int64(columns), uniform, chosen)
  }
}
