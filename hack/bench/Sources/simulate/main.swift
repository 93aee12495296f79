import ClusterSimulation
import Foundation

exit(simulate(Array(CommandLine.arguments.dropFirst())))
