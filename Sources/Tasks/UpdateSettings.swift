import Configuration

extension TrainingConfiguration {
  /// The ratio of teacher forcing at an update, counted from 0: constant, or on a straight line to its end.
  package func teacherForcing(at update: Int) -> Double {
    guard let end = teacherForcingEnd else { return teacherForcing }
    guard update < teacherForcingSteps else { return end }
    return teacherForcing + (end - teacherForcing) * Double(update) / Double(teacherForcingSteps)
  }

  /// The first update, and one at the end of the schedule if the ratio changes.
  package var extremesOfTeacherForcing: [Int] {
    teacherForcing(at: teacherForcingSteps) == teacherForcing(at: 0) ? [0] : [0, teacherForcingSteps]
  }
}
