extension Scenario {
    /// What a seed is bent on. Seven of twelve are: faults at random seldom meet in the few milliseconds in which a promise of
    /// elections, reads or leases can be broken, so these seeds aim at them.
    enum Temper {
        case usual
        /// Leaders that are cut off or stand still, and clients who stay with them and read.
        case siege
        /// Voters that lose power in the moment in which their vote leaves, and candidates that are cut off with it; or
        /// whose vote comes when the candidate asks for the next.
        case ambush
        /// Answers to one member that come late, twice and in another order, while it is read from.
        case late
        /// Renewals that are on their way when their lease ends.
        case leases
        /// Power that fails again and again in the midst of writes, and bits that turn over, where logs are short and cut often.
        case power
    }

    mutating func bend(_ dice: inout Dice) {
        switch temper {
        case .usual: break
        case .siege:
            faults = [(.siege, 6), (.pauseLeader, 4), (.transfer, 3), (.kill, 1)]
            calm = .milliseconds(dice.pick([1_000, 2_500]))
            stay = .milliseconds(dice.pick([700, 1_500, 3_000]))
            leaseReads = dice.oneIn(2)
            load.keepHome([(.put, 6), (.readLast, 10), (.readRange, 2)], &dice)
        case .ambush:
            members = 3
            faults = [(.ambush, 8), (.losePowerMidway, 1)]
            calm = .milliseconds(dice.pick([4_000, 8_000]))
        case .late:
            faults = [(.lateLink, 6), (.lossy, 1), (.transfer, 1)]
            calm = .milliseconds(dice.pick([2_000, 5_000]))
            stay = .milliseconds(dice.pick([1_500, 4_000]))
            leaseReads = false
            load.keepHome([(.put, 6), (.readLast, 10), (.compareAndSet, 2)], &dice)
        case .leases:
            faults = [(.slowDisk, 4), (.slowNetwork, 4), (.transfer, 1)]
            calm = .milliseconds(2_000)
            stay = .milliseconds(4_000)
            load.pause = .milliseconds(dice.pick([2_000, 3_000]))
            load.clients = 6
            load.weights = [(.put, 1), (.grant, 2), (.renew, 20), (.putLeased, 6), (.readRange, 1)]
        case .power:
            faults = [(.losePowerMidway, 8), (.losePower, 3), (.flip, 3), (.isolate, 1)]
            calm = .milliseconds(dice.pick([1_500, 4_000]))
            stay = .milliseconds(dice.pick([100, 700, 1_500]))
            segmentBytes = dice.pick([4 << 10, 8 << 10])
            checkpointCommands = dice.pick([8, 40])
            checkpointTime = .milliseconds(2_000)
            retainedBytes = dice.pick([0, 2_000])
        }
    }
}
