import Host

/// What a test does to a `SimulatedDisk`.
extension SimulatedDisk {
    /// The machine loses power and starts again: unsynced writes and names are dropped, kept or torn, open
    /// files and locks are gone, planned failures forgotten.
    package func crash() { state.withLock { $0.crash() } }

    /// The process ends but the machine does not: everything written stays, open files and locks are gone.
    package func killProcess() {
        state.withLock { state in
            state.life += 1
            state.locks.removeAll()
        }
    }

    /// After so many more operations everything fails, until `crash`.
    package func losePower(afterOperations count: Int) { state.withLock { $0.operationsLeft = count } }

    /// After so many more good syncs every sync fails, until `crash`.
    package func failSyncs(after count: Int) { state.withLock { $0.syncsLeft = count } }

    package func setFullness(_ fullness: Fullness) { state.withLock { $0.fullness = fullness } }

    package var operations: Int { state.withLock { $0.operations } }
    package var syncs: Int { state.withLock { $0.syncs } }

    /// The content as a program sees it now; nil when there is no such file.
    package func content(_ path: String) -> [UInt8]? {
        state.withLock { state in state.names[path].map { state.nodes[$0].content } }
    }

    /// Damages the file behind everyone's back, durably.
    package func flip(_ path: String, at offset: Int, mask: UInt8) {
        state.withLock { state in
            guard let node = state.names[path] else { return }
            state.nodes[node].content[offset] ^= mask
            if offset < state.nodes[node].durable.count { state.nodes[node].durable[offset] ^= mask }
        }
    }

    /// Removes the file behind everyone's back, durably.
    package func lose(_ path: String) {
        state.withLock { state in
            state.names[path] = nil
            state.durableNames[path] = nil
        }
    }

    /// A repeatable source of chance (SplitMix64, Steele et al., OOPSLA 2014).
    package struct Dice: RandomNumberGenerator, Sendable {
        private var position: UInt64

        package init(seed: UInt64) { position = seed }

        package mutating func next() -> UInt64 {
            position &+= 0x9E37_79B9_7F4A_7C15
            var mixed = position
            mixed = (mixed ^ mixed >> 30) &* 0xBF58_476D_1CE4_E5B9
            mixed = (mixed ^ mixed >> 27) &* 0x94D0_49BB_1331_11EB
            return mixed ^ mixed >> 31
        }
    }
}

typealias Dice = SimulatedDisk.Dice
