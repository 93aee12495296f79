import Host

/// Processes made of values: whatever is run comes to what `answer` says, and nothing else runs.
struct AnsweringProcesses: Processes {
    var answer: @Sendable (Program) -> Result<ProgramResult, ProcessError>

    func run(_ program: Program, limit: Duration, outputMax: Int) async throws(ProcessError) -> ProgramResult { try answer(program).get() }
    func spawn(_ program: Program, output: String?) throws(ProcessError) -> ProcessIdentity { ProcessIdentity(pid: 1, startTime: 1) }
    func inspect(_ pid: Int32) throws(ProcessError) -> ProcessSight? { nil }
    func list() throws(ProcessError) -> [ProcessSight] { [] }
    func signal(_ identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool { false }
    func signalGroup(of identity: ProcessIdentity, _ signal: Int32) throws(ProcessError) -> Bool { false }
}
