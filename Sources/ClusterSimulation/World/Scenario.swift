/// What a run is made of. All of it follows from the seed.
struct Scenario {
    enum Fault: CaseIterable {
        case kill, losePower, losePowerMidway, outage, pause, isolate, split, oneWay, lossy, slowNetwork
        case slowDisk, fullDisk, failSync, flip, clockRate, clockJump
        case transfer, addMember, removeMember, replaceMember, loseConnection, wipe
        // These are aimed, and happen where a seed's temper says so.
        case siege, pauseLeader, ambush, lateLink

        static let usual = allCases.filter { ![.siege, .pauseLeader, .ambush, .lateLink].contains($0) }
    }

    var seed: UInt64
    var temper: Temper
    var members: Int
    var load: Load
    var faults: [(Fault, Int)]
    /// Mean time between faults.
    var calm: Micros
    /// Faults happen for so long.
    var length: Micros
    /// The mean of how long a fault stays.
    var stay: Micros
    var segmentBytes: Int
    var checkpointCommands: Int
    var retainedBytes: Int
    /// Of a snapshot's parts.
    var chunkBytes: Int
    var leaseReads: Bool
    /// As the real shell has it.
    var checkpointsAside: Bool
    /// How long one may take there.
    var checkpointTime = Micros.milliseconds(50)
    var snapshotsAside: Bool
    /// When a majority loses its disks at once, which nobody mends: nothing may be begun anew.
    var ruin: Micros?
    /// What is broken of a minority at the end, when all else is well: the others must go on without waiting for it to be mended.
    var lameness: Lameness?

    enum Lameness {
        case down, paused, isolated
        /// Nothing reaches it, and nobody hears of it.
        case deaf, mute
        /// What it has is read, and what it reserved is written.
        case outOfRoom
        /// Not even that.
        case unwritable
        /// All goes on there, so slowly that it must not lead.
        case slow
    }

    init(seed: UInt64, length: Micros) {
        var dice = Dice(seed: seed &* 0x9E37_79B9 ^ 0x5EED)
        self.seed = seed
        members = dice.pick([3, 3, 3, 5])
        load = Load(&dice)
        faults = Fault.usual.map { fault in
            let usual =
                switch fault {
                case .outage, .flip, .clockRate, .clockJump, .removeMember, .replaceMember, .addMember, .fullDisk, .slowDisk, .wipe: 2
                case .transfer, .losePowerMidway, .losePower: 4
                case .failSync: 1
                default: 3
                }
            return (fault, dice.oneIn(3) ? 0 : usual * dice.pick([1, 1, 3]))
        }
        if faults.allSatisfy({ $0.1 == 0 }) { faults[0].1 = 1 }
        calm = .milliseconds(dice.pick([1_500, 4_000, 10_000, 30_000]))
        stay = .milliseconds(dice.pick([300, 1_500, 4_000, 10_000]))
        self.length = length
        segmentBytes = dice.pick([4 << 10, 8 << 10, 32 << 10])
        checkpointCommands = dice.pick([8, 40, 200, 1_000])
        retainedBytes = dice.pick([0, 2_000, 20_000, 1 << 20])
        chunkBytes = dice.pick([300, 2_000, 256 << 10])
        checkpointsAside = !dice.oneIn(3)
        snapshotsAside = !dice.oneIn(3)
        leaseReads = dice.oneIn(3)
        var mood = Dice(seed: seed &* 0xA24B_AED4_963E_E407 ^ 0x7E3)
        temper = mood.pick(weighted: [(.usual, 5), (.siege, 2), (.ambush, 1), (.late, 1), (.leases, 1), (.power, 2)])
        bend(&mood)
        var fate = Dice(seed: seed &* 0xD6E8_FEB8_6659_FD93 ^ 0xFA7E)
        if fate.oneIn(12) { ruin = length / 4 + fate.below(length / 2) }
        if fate.oneIn(3) { lameness = fate.pick([.down, .paused, .isolated, .deaf, .mute, .outOfRoom, .outOfRoom, .unwritable]) }
        if lameness == nil, fate.oneIn(6) { lameness = .slow }
    }
}
