"""What a plan is handed, as an ensemble's members get it."""

import dataclasses


def test_a_member_sees_further_data_in_an_order_of_its_own(world):
    given = world.given()
    given = dataclasses.replace(given, sources={"pool": dataclasses.replace(given.data, seed=4)})
    assert given.member(0).sources["pool"].seed == 4
    seeds = {given.member(number).sources["pool"].seed for number in range(3)}
    assert len(seeds) == 3
