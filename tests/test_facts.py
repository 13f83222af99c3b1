import pytest

from bayes_compute.facts import facts, load_facts

ROWS = {"active-parameters": 31, "accelerators": 176, "top500": 67}


@pytest.mark.parametrize("name", facts())
def test_table_loads_whole(name):
    table = load_facts(name)
    assert len(table) == table.attrs["rows"] == ROWS[name]
    assert list(table) == [field["name"] for field in facts()[name]["schema"]["fields"]]


def test_frontier_is_the_first_system_of_june_2022():
    lists = load_facts("top500").set_index("list")
    assert lists.at["2022-06", "n1_name"] == "Frontier"
    assert lists.at["2022-06", "n1_rmax_flop_s"] == 1.102e18


def test_dense_rates_of_the_a100_and_h100():
    rates = load_facts("accelerators").set_index("hardware")["tensor_fp16_flop_s"]
    assert rates["NVIDIA A100"] == 312e12
    assert rates["NVIDIA H100 SXM5 80GB"] == pytest.approx(989e12, rel=1e-3)
