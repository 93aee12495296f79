import Store

extension Machine {
    /// Reads with the database at hand, between two batches of commands.
    func read<T: Sendable>(
        _ body: @escaping @Sendable (inout Keyspace, Keyspace.Load) throws -> T
    ) async throws(StoreError) -> T {
        do {
            return try await storage.read { [self] session in
                try state.withLock { state in
                    guard !state.isStopped else { throw StoreError.unavailable("the store has stopped") }
                    return try body(&state.keyspace) { try session.load($0) }
                }
            }
        } catch let error as StoreError {
            throw error
        } catch {
            throw .unavailable("\(error)")
        }
    }
}

extension Transaction {
    /// Neither branch can change anything: it need not go through the log.
    var isReadOnly: Bool {
        [then, otherwise].allSatisfy { branch in
            branch.allSatisfy { operation in
                switch operation {
                case .range: true
                case .put, .delete: false
                case .transaction(let inner): inner.isReadOnly
                }
            }
        }
    }
}
