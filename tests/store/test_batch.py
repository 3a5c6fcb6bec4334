from waypost.store.batch import Batch, Sheet
from waypost.store.rows import RowMaker


def test_rows_of_this_process_and_of_workers_become_one_list(bills):
    make = RowMaker().row
    mine, theirs, stranger = bills.bill(), bills.bill(), bills.bare(stranger="hf_…", status=401)
    batch = Batch([(mine, None)], [Sheet([make(theirs)], [(9, 401, None, b"")], None)], [], [stranger])
    batch.prepare(make)
    assert [row[0] for row in batch.rows] == [mine.id, theirs.id]
    assert [row[0] for row in batch.strangers] == [stranger.id, 9]


def test_a_waybill_that_makes_no_row_is_left_out_and_told(bills):
    good, bad = bills.bill(), bills.bill(ms="long")
    batch = Batch([(good, None), (bad, None)], [], [], [])
    batch.prepare(RowMaker().row)
    assert [row[0] for row in batch.rows] == [good.id]
    assert batch.problems[bad.id].code == "internal_error"
