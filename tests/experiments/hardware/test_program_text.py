from experiments.hardware import program_text

_CYCLES = 'backend_config={"estimated_cycles":"%d"}'
TEXT = f"""
HloModule step

%inner (p: f32[8]) -> f32[8] {{
  %a = f32[8] add(p, p), {_CYCLES % 10}
}}

%inner_condition (p: s32[]) -> pred[] {{
  %limit = s32[] constant(5)
}}

%body (p: f32[8]) -> f32[8] {{
  %b = f32[8] multiply(p, p), {_CYCLES % 100}
  %w = f32[8] while(%b), condition=%inner_condition, body=%inner
}}

%left (p: f32[8]) -> f32[8] {{
  %l = f32[8] add(p, p), {_CYCLES % 7}
}}

%right (p: f32[8]) -> f32[8] {{
  %r = f32[8] add(p, p), {_CYCLES % 9}
}}

ENTRY %main (p: f32[8]) -> f32[8] {{
  %m = f32[8] negate(p), {_CYCLES % 1000}
  %n = f32[8] while(%m), condition=%c, body=%body, """ + (
  'backend_config={"known_trip_count":{"n":"3"}}'
  + """
  %k = bf16[4] custom-call(%n), custom_call_target="tpu_custom_call", """
  + 'cost={"flops":"6553600","transcendentals":"0","bytes_accessed":"546"}'
  + """
  %u = bf16[4] custom-call(%n), custom_call_target="tpu_custom_call"
  %c = f32[8] conditional(%n), branch_computations={%left, %right}
  %x = f32[8] call(%n), to_apply=%left
  %g = (f32[4,2]{1,0}, bf16[3]) all-reduce(%n, %k), to_apply=%left
  %h = ((f32[8]), (f32[8])) all-reduce-start(%n), to_apply=%left
  %i = f32[8] all-reduce-done(%h)
  %j = pred[16] all-gather(%n)
}
"""
)


def test_loops_count_as_often_as_they_run():
  program = program_text.Program(TEXT)
  loops = 3 * (100 + 5 * 10)
  assert program.cycles() == 1000 + loops + 100 + 9 + 7
  assert program.undeclared == ["%u"]


def test_collectives_are_counted_with_their_bytes():
  assert program_text.Program(TEXT).collectives() == {
    "all-reduce": (2, 4 * 8 + 2 * 3 + 4 * 8),
    "all-gather": (1, 16),
  }


def test_a_program_without_estimates_has_no_cycles():
  program = program_text.Program("ENTRY %m (p: f32[]) -> f32[] {\n}\n")
  assert program.cycles() == 0
  assert not program.collectives()
