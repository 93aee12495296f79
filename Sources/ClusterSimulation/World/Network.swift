/// How messages travel between two members: a decider of when, how often and whether each arrives.
struct Network {
    /// One direction between two members.
    struct Link {
        var isCut = false
        /// Of a thousand messages, how many are lost, and how many arrive twice.
        var lossPerMille = 0
        var twicePerMille = 0
        /// Shortest way, and what chance adds to it. Reordering follows from the latter.
        var delay: Micros = 300
        var jitter: Micros = 400
        /// Of a thousand messages, how many take a hundred times as long.
        var latePerMille = 0
    }

    struct Ends: Hashable {
        var from: UInt64
        var to: UInt64
    }

    private var links: [Ends: Link] = [:]
    var standard = Link()
    private(set) var lost = 0

    func link(_ from: UInt64, _ to: UInt64) -> Link { links[Ends(from: from, to: to)] ?? standard }

    mutating func change(_ from: UInt64, _ to: UInt64, _ body: (inout Link) -> Void) {
        var link = link(from, to)
        body(&link)
        links[Ends(from: from, to: to)] = link
    }

    mutating func heal() {
        links = [:]
        standard = Link()
    }

    /// When the copies of one message sent at `time` arrive.
    mutating func arrivals(_ from: UInt64, _ to: UInt64, at time: Micros, _ dice: inout Dice) -> (Micros?, Micros?) {
        let link = link(from, to)
        if link.isCut || dice.perMille(link.lossPerMille) {
            lost += 1
            return (nil, nil)
        }
        let first = time + travel(link, &dice)
        return (first, dice.perMille(link.twicePerMille) ? first + travel(link, &dice) * 3 : nil)
    }

    private func travel(_ link: Link, _ dice: inout Dice) -> Micros {
        let usual = link.delay + dice.below(link.jitter + 1)
        return dice.perMille(link.latePerMille) ? usual * 100 : usual
    }
}
