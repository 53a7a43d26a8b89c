# Runs each fuzz target for a while: make fuzz SECONDS_EACH=600

SECONDS_EACH ?= 60
FUZZ_TARGETS ?= $(patsubst fuzz/targets/%.rs,%,$(wildcard fuzz/targets/*.rs))
# The address sanitizer finds nothing in code without unsafe and makes it several times slower.
FUZZ_SANITIZER ?= none
# What is found stays out of the committed corpus.
FUZZ_FOUND := fuzz/target/found

.PHONY: fuzz
fuzz: ## look for input that breaks the protocol [SECONDS_EACH=n]
	@set -e; for target in $(FUZZ_TARGETS); do \
		mkdir -p $(FUZZ_FOUND)/$$target; \
		RUSTC_BOOTSTRAP=1 cargo fuzz run -s $(FUZZ_SANITIZER) $$target \
			$(FUZZ_FOUND)/$$target fuzz/corpus/$$target -- \
			-max_total_time=$(SECONDS_EACH) -print_final_stats=1; \
	done
