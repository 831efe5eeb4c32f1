//! The control flow of a function, as a graph of actions.

use petgraph::Direction;
use petgraph::algo::kosaraju_scc;
use petgraph::graph::{DiGraph, NodeIndex};
use petgraph::visit::{IntoNeighborsDirected, IntoNodeIdentifiers, NodeFiltered, Visitable};
use wasmparser::Operator;

/// The action at a node of the graph.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Act {
    Nothing,
    /// The head of a loop.
    Head,
    /// A charge; `settles` if it includes the count of iterations.
    Charge {
        settles: bool,
    },
    Settle,
    Poll,
    /// A call of a function that may call this one again.
    Call,
    /// A call of a function that copies, fills or grows memory.
    Work,
    End,
}

/// The graph, which is built operator by operator.
pub(super) struct Flow {
    graph: DiGraph<Act, ()>,
    labels: Vec<Label>,
    /// `None` in unreachable code.
    current: Option<NodeIndex>,
}

/// An open block.
struct Label {
    /// The target of branches to it.
    target: NodeIndex,
    is_loop: bool,
    /// For an `if`: the node from which control continues when the condition is false.
    otherwise: Option<NodeIndex>,
}

impl Flow {
    pub(super) fn new() -> Self {
        let mut graph = DiGraph::new();
        let (start, end) = (graph.add_node(Act::Nothing), graph.add_node(Act::End));
        let labels = vec![Label { target: end, is_loop: false, otherwise: None }];
        Self { graph, labels, current: Some(start) }
    }

    pub(super) fn act(&mut self, act: Act) {
        if let Some(current) = self.current {
            let next = self.graph.add_node(act);
            self.graph.add_edge(current, next, ());
            self.current = Some(next);
        }
    }

    /// Marks the code that follows as unreachable from here.
    pub(super) fn leave(&mut self) {
        self.current = None;
    }

    /// Adds an operator that is not a call: [`Flow::act`] adds calls.
    pub(super) fn operator(&mut self, operator: &Operator<'_>) {
        match operator {
            Operator::Block { .. } => self.open(None),
            Operator::If { .. } => self.open(self.current),
            Operator::Loop { .. } => {
                self.act(Act::Head);
                let target = self.current.unwrap_or_else(|| self.graph.add_node(Act::Head));
                self.labels.push(Label { target, is_loop: true, otherwise: None });
            }
            Operator::Else => {
                self.branch(0);
                self.current = self.labels.last_mut().and_then(|label| label.otherwise.take());
            }
            Operator::End => self.close(),
            Operator::Br { relative_depth } => {
                self.branch(*relative_depth);
                self.leave();
            }
            Operator::BrIf { relative_depth } => self.branch(*relative_depth),
            Operator::BrTable { targets } => {
                let depths = targets.targets().map(|depth| depth.expect("the module is valid"));
                depths.chain([targets.default()]).for_each(|depth| self.branch(depth));
                self.leave();
            }
            Operator::Return => {
                self.branch(u32::try_from(self.labels.len() - 1).expect("nesting fits into 32 bits"));
                self.leave();
            }
            Operator::Unreachable => self.leave(),
            _ => {}
        }
    }

    fn open(&mut self, otherwise: Option<NodeIndex>) {
        let target = self.graph.add_node(Act::Nothing);
        self.labels.push(Label { target, is_loop: false, otherwise });
    }

    fn close(&mut self) {
        let label = self.labels.pop().expect("the module is valid");
        if label.is_loop {
            return;
        }
        for before in [self.current, label.otherwise].into_iter().flatten() {
            self.graph.add_edge(before, label.target, ());
        }
        let is_reached = self.graph.neighbors_directed(label.target, Direction::Incoming).next().is_some();
        self.current = is_reached.then_some(label.target);
    }

    fn branch(&mut self, depth: u32) {
        if let Some(current) = self.current {
            let target = self.labels[self.labels.len() - 1 - depth as usize].target;
            self.graph.add_edge(current, target, ());
        }
    }

    pub(super) fn faults(&self) -> Vec<&'static str> {
        let graph = &self.graph;
        let is_charge = |node| matches!(graph[node], Act::Charge { .. });
        let unchecked = NodeFiltered::from_fn(graph, |node| !is_charge(node) && graph[node] != Act::Poll);
        let uncharged = NodeFiltered::from_fn(graph, |node| !is_charge(node));
        let is_plain = |cycle: &Vec<NodeIndex>| {
            let count = |act| cycle.iter().filter(|node| graph[**node] == act).count();
            (count(Act::Head), count(Act::Call), count(Act::Work), count(Act::Settle)) == (1, 0, 0, 0)
        };
        let mut faults = Vec::new();
        if !cycles(&unchecked).is_empty() {
            faults.push("it repeats without a check");
        }
        if !cycles(&uncharged).iter().all(is_plain) {
            faults.push("a loop that is not charged does more than count");
        }
        if self.loses_count() {
            faults.push("it leaves its count uncharged");
        }
        faults
    }

    /// Returns whether a path leads from a loop that counts to a call or to the end without a charge for the count.
    fn loses_count(&self) -> bool {
        let mut going: Vec<_> =
            self.graph.node_indices().filter(|node| self.graph[*node] == Act::Poll).collect();
        let mut seen = vec![false; self.graph.node_count()];
        while let Some(node) = going.pop() {
            for next in self.graph.neighbors(node) {
                match self.graph[next] {
                    Act::Call | Act::End => return true,
                    Act::Settle | Act::Charge { settles: true } => {}
                    _ if std::mem::replace(&mut seen[next.index()], true) => {}
                    _ => going.push(next),
                }
            }
        }
        false
    }
}

/// Returns the nodes that are on a cycle, as strongly connected components of the graph.
pub(super) fn cycles<G>(graph: G) -> Vec<Vec<NodeIndex>>
where
    G: IntoNeighborsDirected<NodeId = NodeIndex> + IntoNodeIdentifiers + Visitable + Copy,
{
    let mut components = kosaraju_scc(graph);
    components.retain(|component| {
        component.len() > 1 || graph.neighbors(component[0]).any(|next| next == component[0])
    });
    components
}
