import Manifest
import QEMU
import Reconcile
import Resource

extension Disk {
    package struct Sight: Hashable, Sendable {
        /// Where the image is, or will be.
        package var path: String
        package var image: Seen?
        /// The Disk whose image, if it names no path, may have this path, by the path alone.
        package var namesake: String?

        package struct Seen: Hashable, Sendable {
            package var format: String
            package var bytes: UInt64
            package var allocated: UInt64
            package var backing: String?
            /// Its file ends within a sector, as no disk does.
            package var isRagged: Bool

            package init(format: String, bytes: UInt64, allocated: UInt64 = 0, backing: String? = nil, isRagged: Bool = false) {
                self.format = format
                self.bytes = bytes
                self.allocated = allocated
                self.backing = backing
                self.isRagged = isRagged
            }
        }

        package init(path: String, image: Seen?, namesake: String? = nil) {
            self.path = path
            self.image = image
            self.namesake = namesake
        }
    }

    package enum Action: Hashable, Sendable, CustomStringConvertible {
        case create(path: String, format: Format, bytes: UInt64, backing: Backing?)
        /// `machine`: who has the image open, and must do it.
        case grow(path: String, format: Format, bytes: UInt64, machine: String?)
        /// Destroys what the image holds, under a consent, so that it can be made anew.
        case wipe(path: String, consent: String)
        case delete(path: String)

        package var description: String {
            switch self {
            case .create(let path, let format, let bytes, let backing):
                "create \(path) (\(format.rawValue), \(ByteCount(bytes)))" + (backing.map { " over \($0.path.path)" } ?? "")
            case .grow(let path, _, let bytes, _): "grow \(path) to \(ByteCount(bytes))"
            case .wipe(let path, let consent): "wipe \(path) under consent \(consent)"
            case .delete(let path): "delete \(path)"
            }
        }
    }

    package enum Planning: Planner {
        package typealias K = Disk

        package static func plan(_ goal: Goal<Disk>, given seen: Sight, _ reader: Reader) -> Plan<Disk, Action> {
            let disk = goal.resource
            let status = disk.status(seen)
            let users = reader.mentioning(disk.reference, VirtualMachine.self)
            let runner = users.first { $0.status?.detail.disks.contains(disk.name) == true }
            if case .present = goal, let owner = owner(of: seen, reader) {
                return Plan(
                    .stalled("\(seen.path) is where plasma keeps the image of \(owner); name another path"), status: status,
                    differences: [Difference("image", seen: "another disk's", wanted: .string(seen.path), impact: .none)])
            }
            switch (goal, seen.image) {
            case (.absent, nil) where disk.spec.deletionPolicy == .delete:
                return Plan(.ready, status: status)
            case (.absent, _):
                if let user = users.first(where: { !$0.metadata.isLeaving }) ?? runner ?? users.first {
                    return Plan(.waiting(on: user.reference, "it uses the image"), status: status)
                }
                guard disk.spec.deletionPolicy == .delete else { return Plan(.ready, status: status) }
                guard disk.isOurs(status) else {
                    var plan = Plan<Disk, Action>(.ready, status: status)
                    plan.happenings = [Happening(reason: "Kept", message: "\(seen.path) stays: plasma does not know that it made it, nor was it ever what was wanted")]
                    return plan
                }
                if let other = others(of: disk, seen, reader).first {
                    var plan = Plan<Disk, Action>(.ready, status: status)
                    plan.happenings = [Happening(reason: "Kept", message: "\(seen.path) stays: it is the image of \(other), too")]
                    return plan
                }
                var going = status
                going.isOurs = true
                return Plan(.converging("deleting"), [.delete(path: seen.path)], status: going,
                    differences: [Difference("image", seen: .string(seen.path), wanted: nil, impact: .wipe)])
            case (.present, nil):
                return create(disk, seen, status, runner)
            case (.present, let image?):
                return keep(disk, seen, image, status, runner)
            }
        }

        package static func foresee(_ action: Action, in seen: Sight) -> Sight {
            var next = seen
            switch action {
            case .create(_, let format, let bytes, let backing):
                next.image = Sight.Seen(format: format.rawValue, bytes: bytes, backing: backing?.path.path)
            case .grow(_, _, let bytes, _): next.image?.bytes = bytes
            case .wipe, .delete: next.image = nil
            }
            return next
        }

        /// Who keeps its image there because its spec names no path.
        private static func owner(of seen: Sight, _ reader: Reader) -> Reference? {
            guard let name = seen.namesake, let other = reader.get(Disk.self, name), !other.metadata.isLeaving, other.spec.path == nil,
                seen.path.hasSuffix("/\(name).\(other.spec.format.rawValue)")
            else { return nil }
            return other.reference
        }

        /// Who has the same image, and is not to lose it.
        private static func others(of disk: Resource<Disk>, _ seen: Sight, _ reader: Reader) -> [Reference] {
            // Read past the reader: who is told of every Disk would be woken by its own failures.
            (owner(of: seen, reader).map { [$0] } ?? [])
                + reader.ledger.list(Disk.self).filter { other in
                    other.name != disk.name && !other.metadata.isLeaving
                        && (other.status?.detail.path == seen.path || other.spec.path?.path == seen.path)
                }.map(\.reference)
        }

        private static func create(
            _ disk: Resource<Disk>, _ seen: Sight, _ status: Status, _ runner: Resource<VirtualMachine>?
        ) -> Plan<Disk, Action> {
            let old = disk.status?.detail
            // Before the act, as everything that is to be known of it if we are stopped in between.
            var made = status
            (made.isOurs, made.format) = (true, disk.spec.format.rawValue)
            let action = Action.create(path: seen.path, format: disk.spec.format, bytes: disk.spec.size.bytes, backing: disk.spec.backing)
            guard old?.size != nil else {
                let difference = Difference("image", seen: nil, wanted: .string(seen.path), impact: .none)
                var plan = Plan<Disk, Action>(.converging("creating"), [action], status: made, differences: [difference])
                plan.statusIfHeld = status
                return plan
            }
            // There was an image and what it held: a blank one in its place is a loss that somebody must want.
            let difference = Difference("image", seen: nil, wanted: .string(seen.path), impact: .wipe)
            let place = old?.path ?? seen.path
            let what = place == seen.path ? "its image \(place) is gone" : "its image is \(place), and \(seen.path) is wanted"
            if let runner {
                return Plan(
                    .stalled("\(what), and \(runner.reference) still runs on the old one; save what it holds from inside, then halt the machine"),
                    status: status, differences: [difference])
            }
            if disk.spec.wipePolicy == .never {
                return Plan(
                    .stalled("\(what); wipePolicy is Never, so no blank one is made: put it there, or change the spec back"),
                    status: status, differences: [difference])
            }
            let consent = consent(for: disk, status)
            let given = disk.metadata.annotations[Disk.consentAnnotation]
            guard given == consent else {
                return Plan(
                    .stalled("\(what); \(misfit(given, status))put it there, or consent to a blank one: plasma annotate disk/\(disk.name) \(Disk.consentAnnotation)=\(consent)"),
                    status: status, differences: [difference])
            }
            return spend(consent, Plan(.converging("creating"), [action], status: made, differences: [difference]), ifHeld: status)
        }

        private static func keep(
            _ disk: Resource<Disk>, _ seen: Sight, _ image: Sight.Seen, _ status: Status, _ runner: Resource<VirtualMachine>?
        ) -> Plan<Disk, Action> {
            var remake: [Difference] = []
            if image.format != disk.spec.format.rawValue {
                remake.append(Difference("spec.format", seen: .string(image.format), wanted: .string(disk.spec.format.rawValue), impact: .wipe))
            }
            if image.backing != disk.spec.backing?.path.path {
                remake.append(Difference(
                    "spec.backing", seen: image.backing.map { .string($0) }, wanted: disk.spec.backing.map { .string($0.path.path) }, impact: .wipe))
            }
            let wanted = disk.spec.size
            let size = ByteCount(image.bytes)
            // Any file could be a raw image.
            if image.format == Format.raw.rawValue, !disk.isOurs(status), image.isRagged || size < wanted {
                let why = image.isRagged
                    ? "is no image of a disk: its size is no multiple of 512 bytes" : "is a file of \(size.scalarText), which plasma did not make and does not change"
                return Plan(
                    .stalled("\(seen.path) was here before, and \(why); name another path, \(image.isRagged ? "" : "write that size, ")or remove it"),
                    status: status, differences: [Difference("image", seen: "another file", wanted: .string(seen.path), impact: .wipe)])
            }
            if size > wanted {
                remake.append(Difference("spec.size", seen: .string(size.scalarText), wanted: .string(wanted.scalarText), impact: .wipe))
            }
            if !remake.isEmpty { return wipe(disk, seen, status, runner, remake) }
            if size < wanted {
                let action = Action.grow(path: seen.path, format: disk.spec.format, bytes: wanted.bytes, machine: runner?.name)
                let difference = Difference("spec.size", seen: .string(size.scalarText), wanted: .string(wanted.scalarText), impact: .none)
                return Plan(.converging("growing"), [action], status: status, differences: [difference])
            }
            var status = status
            status.isOurs = true
            return Plan(.ready, status: status)
        }

        /// Nothing but a consent made for this very change destroys an image, and a consent is spent by use.
        private static func wipe(
            _ disk: Resource<Disk>, _ seen: Sight, _ status: Status, _ runner: Resource<VirtualMachine>?, _ differences: [Difference]
        ) -> Plan<Disk, Action> {
            let what = differences.map { "\($0.path.dropFirst("spec.".count)) is \($0.seen?.string ?? "none"), wanted \($0.wanted?.string ?? "none")" }
                .joined(separator: "; ")
            if disk.metadata.isForeseen {
                return Plan(
                    .stalled("\(what): that would wipe \(seen.path), which is there already; name another path, or apply this, and the consent is named"),
                    status: status, differences: differences)
            }
            if disk.spec.wipePolicy == .never {
                return Plan(
                    .stalled("\(what): that would wipe \(seen.path), and wipePolicy is Never; change the spec back"),
                    status: status, differences: differences)
            }
            let consent = consent(for: disk, status)
            let given = disk.metadata.annotations[Disk.consentAnnotation]
            guard given == consent else {
                return Plan(
                    .stalled("\(what): that would wipe \(seen.path), an image never shrinks or changes in place; \(misfit(given, status))change the spec back, or "
                        + "consent: plasma annotate disk/\(disk.name) \(Disk.consentAnnotation)=\(consent)"),
                    status: status, differences: differences)
            }
            if let runner {
                let place = runner.metadata.owner.map { "runPolicy: Halted in spec.machine.virtual of \($0.reference)" } ?? "spec.runPolicy: Halted"
                return Plan(.waiting(on: runner.reference, "it has the image open; halt it (\(place))"), status: status, differences: differences)
            }
            return spend(
                consent,
                Plan(.converging("wiping"), [.wipe(path: seen.path, consent: consent)], status: status, differences: differences), ifHeld: status)
        }

        /// The plan that a consent allows: its status says beforehand that the consent is used up and that nothing
        /// is missed any more.
        private static func spend(_ consent: String, _ plan: Plan<Disk, Action>, ifHeld: Status) -> Plan<Disk, Action> {
            var plan = plan
            plan.statusIfHeld = ifHeld
            plan.status.spentConsents.append(consent)
            plan.status.size = nil
            return plan
        }

        /// Why a consent that was given is not the one that is needed.
        private static func misfit(_ given: String?, _ status: Status) -> String {
            guard let given else { return "" }
            return status.spentConsents.contains(given) ? "the consent \(given) is spent; " : "the consent \(given) is for something else; "
        }

        /// Names the disk, its life, the change and how often that was consented to: good for nothing else.
        private static func consent(for disk: Resource<Disk>, _ status: Status) -> String {
            let change = "wipe-\(disk.metadata.uid.prefix(8))-\(disk.metadata.generation)"
            let before = status.spentConsents.count { $0.hasPrefix(change) }
            return before == 0 ? change : "\(change)-\(before + 1)"
        }
    }

    /// Holds a person's consent to lose what an image holds.
    package static let consentAnnotation = "plasma.cloud/consent"
}

extension Resource where K == Disk {
    /// Records of earlier versions say only whether it was what was wanted, and where nobody but plasma makes files.
    fileprivate func isOurs(_ status: Disk.Status) -> Bool {
        if let isOurs = status.isOurs { return isOurs }
        let wasReady = self.status?.conditions.contains { $0.type == "Ready" && $0.status == .yes } == true
        return wasReady || (spec.path == nil && self.status?.detail.size != nil)
    }

    fileprivate func status(_ seen: Disk.Sight) -> Disk.Status {
        var status = self.status?.detail ?? Disk.Status()
        // What an image held is remembered when it vanishes, and where it was: then there is something to be missed.
        if let image = seen.image {
            if let path = status.path, path != seen.path { status.isOurs = false }
            status.path = seen.path
            status.format = image.format
            status.size = ByteCount(image.bytes)
            // In steps, so that a busy guest does not make a new status every time.
            let step: UInt64 = image.bytes < 1 << 30 ? 1 << 20 : 64 << 20
            status.allocated = ByteCount((image.allocated + step - 1) & ~(step - 1))
        } else if status.size == nil {
            status.path = seen.path
            (status.format, status.allocated) = (nil, nil)
        }
        return status
    }
}
