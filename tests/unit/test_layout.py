"""Places of nodes and passing edges across the levels."""

from planner_graph.planning.pictures.layered import Room, affordable, lead_edges
from planner_graph.planning.pictures.layout import arrange
from planner_graph.planning.pictures.placing import _gain, _rounded

ROOM = Room(size=40, gap=20)


def test_a_fan_is_packed_and_its_source_lies_before_its_middle():
    found = arrange([0, 1, 1, 1, 1, 1], [(0, node) for node in range(1, 6)], ROOM)
    assert sorted(found.centers[1:]) == [20, 80, 140, 200, 260]
    assert found.centers[0] == 140


def test_fans_that_meet_are_packed_without_pushing_each_other_aside():
    edges = [(0, node) for node in range(2, 6)] + [(1, node) for node in range(6, 10)]
    found = arrange([0, 0] + [1] * 8, edges, ROOM)
    together = arrange([0, 0] + [1] * 8, [*edges, (1, 5)], ROOM)
    assert max(together.centers) - min(together.centers) == 7 * 60
    assert max(found.centers) - min(found.centers) == 7 * 60
    for source, first, last in ((0, 2, 5), (1, 6, 9)):
        leaves = together.centers[first : last + 1]
        assert min(leaves) < together.centers[source] < max(leaves)


def test_edges_that_need_not_cross_do_not():
    found = arrange([0, 0, 1, 1, 1, 1], [(0, 2), (1, 3), (0, 4), (1, 5)], ROOM)
    upper = sorted((0, 1), key=found.centers.__getitem__)
    lower = sorted((2, 3, 4, 5), key=found.centers.__getitem__)
    assert [node % 2 for node in lower] == [upper[0], upper[0], upper[1], upper[1]]


def test_nodes_change_places_where_their_edges_cross_otherwise():
    found = arrange([0, 0, 0, 1, 1], [(0, 3), (1, 3), (1, 4), (2, 3)], ROOM)
    assert found.centers[1] not in range(*sorted((found.centers[0], found.centers[2])))


def test_the_first_order_is_kept_where_others_cross_as_often():
    """Two sources that both reach two targets cross once, whatever is done."""
    found = arrange([0, 0, 1, 1], [(0, 2), (0, 3), (1, 2), (1, 3)], ROOM)
    assert found.centers[0] < found.centers[1]
    assert found.centers[2] < found.centers[3]


def test_a_long_edge_passes_in_one_straight_line():
    found = arrange([0, 1, 2, 3, 4], [(0, 1), (1, 2), (2, 3), (3, 4), (0, 4)], ROOM)
    (past,) = {route for route in found.routes if route}
    assert len(past) == 3
    assert len(set(past)) == 1
    assert abs(past[0] - found.centers[1]) == 20 + 16


def test_edges_to_one_reader_take_one_place_on_a_level_and_not_one_each():
    count = 40
    chain = [(node, node + 1) for node in range(count)]
    graph = lead_edges(range(count + 1), [*chain, *((node, count) for node in range(count - 1))], ROOM, ())
    assert len(graph.levels) == count + 1 + count - 1


def test_a_route_is_told_in_the_direction_of_its_edge():
    forth = arrange([0, 1, 2, 3], [(0, 1), (1, 2), (2, 3), (0, 3)], ROOM)
    back = arrange([0, 1, 2, 3], [(0, 1), (1, 2), (2, 3), (3, 0)], ROOM)
    assert back.centers == forth.centers
    assert back.routes[3] == forth.routes[3][::-1]


def test_a_spine_is_straight_where_a_lone_edge_would_give_way():
    edges = [(0, 1), (0, 2), (0, 3)]
    assert arrange([0, 1, 1, 1], edges, ROOM).centers[0] == 80
    found = arrange([0, 1, 1, 1], edges, ROOM, spine=(0, 1))
    assert found.centers[0] == found.centers[1]


def test_a_spine_pushes_aside_what_keeps_it_from_being_straight():
    """Edges past its nodes, now above and now below, would bend it."""
    edges = [(0, 1), (1, 3), (3, 4), (4, 5), (5, 6), (0, 2), (0, 3), (3, 5), (4, 6)]
    found = arrange([0, 1, 1, 2, 3, 4, 5], edges, ROOM, spine=(0, 1, 3, 4, 5, 6))
    assert len({found.centers[node] for node in (0, 1, 3, 4, 5, 6)}) == 1


def test_a_spine_takes_its_long_edges_into_the_line():
    edges = [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)]
    found = arrange([0, 1, 2, 3, 4], edges, ROOM, spine=(0, 3, 4))
    assert {*found.routes[3], found.centers[0], found.centers[3], found.centers[4]} == {found.centers[0]}


def test_the_line_of_a_spine_holds_the_points_its_edges_pass():
    graph = lead_edges([0, 1, 2, 3, 4], [(0, 1), (1, 2), (2, 3), (0, 3), (3, 4)], ROOM, (0, 3, 4))
    assert graph.lines[0] == (0, 5, 6, 3, 4)
    assert [graph.levels[point] for point in graph.lines[0]] == [0, 1, 2, 3, 4]


def test_the_gain_of_a_change_is_what_all_segments_together_pull_less():
    edges = [(0, 1), (1, 2), (0, 3), (3, 2), (0, 2)]
    graph = lead_edges([0, 1, 2, 1], edges, ROOM, (0, 1, 2))
    before = {0: 0, 1: 30, 2: 90, 3: 120, 4: 60}
    change = {0: 30, 1: 40, 3: 100}

    def pull(place):
        return sum(
            abs(place[point] - place[other]) * graph.stiffness(point, other)
            for point in before
            for other in graph.below[point]
        )

    assert _gain(change, before, graph) == pull(before) - pull(before | change)


def test_no_nodes_are_no_places():
    assert arrange([], [], ROOM).centers == ()


def test_rounding_keeps_the_distance():
    """Halves go to the even neighbour, one down and one up."""
    graph = lead_edges([0, 0], [], Room(size=41, gap=20), ())
    assert _rounded([[0, 1]], {0: 1.5, 1: 62.5}, graph) == {0: 2, 1: 63}


def test_large_graphs_get_fewer_sweeps_but_never_less_than_two():
    assert [affordable(24, points) for points in (10, 1_000, 8_000, 1_000_000)] == [24, 24, 5, 2]
