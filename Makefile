# SPDX-License-Identifier: GPL-3.0-or-later
# smallfleet.infra: the targets are the table of contents. Start with `make demo`.

SHELL := /bin/bash
CACHE ?= /var/cache/smallfleet
INVENTORY ?= inventories/lab
SCENARIO ?= molecule

.PHONY: help demo test drills unit lint format sanity molecule lab-up lab-down doctor schema lock clean

help: ## Show what can be made
	@grep -hE '^[a-z-]+: .*##' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 12

ifneq ($(shell id -u),0)
# A lab needs root, and with it the cache and the tools in it.
demo test drills unit lint format sanity molecule lab-up lab-down doctor schema lock clean:
	sudo --preserve-env=CI,NO_COLOR $(MAKE) $@ CACHE=$(CACHE) INVENTORY=$(INVENTORY) SCENARIO="$(SCENARIO)" BUDGET="$(BUDGET)"
else
export SMALLFLEET_CACHE := $(CACHE)
export PYTHONDONTWRITEBYTECODE := 1
export ANSIBLE_HOME := $(CACHE)/ansible
TOOLS_OF = set -eo pipefail; env=$$(tools/setup.sh $(1) | tail -n 1); export PATH=$$env/bin:$$PATH;
TOOLS = $(call TOOLS_OF,demo)
PLAY = $(TOOLS) ansible-playbook -i $(INVENTORY)
PHASES = $(call TOOLS_OF,test) python tools/test.py

demo: ## Raise a fleet, provision it, move its service while a client watches
	@$(PLAY) playbooks/lab_up.yml && ansible-playbook -i $(INVENTORY) playbooks/plan.yml -e fleet_plan_dir=$(CURDIR)/build/plan
	@$(TOOLS) tools/demo.sh $(INVENTORY)
	@echo "plan:   $(CURDIR)/build/plan/plan.md"
	@echo "The lab stays up: make lab-down removes it."

test: ## What CI runs: the core, then drills until BUDGET minutes are used (60)
	@$(PHASES) --budget $(or $(BUDGET),60)

drills: ## All drills, from where an earlier run stopped (BUDGET=10: begin none after ten minutes)
	@$(PHASES) --drills $(if $(BUDGET),--budget $(BUDGET))

unit: ## Unit and property tests, on every ansible-core that runs here
	@$(PHASES) unit

lint: ## ruff, types, ansible-lint (production) and the changelog
	@$(PHASES) lint

format: ## Format all Python and sort its imports, as lint demands
	@$(call TOOLS_OF,test) ruff check --no-cache --select I --fix . && ruff format --no-cache .

sanity: ## ansible-test sanity, on every ansible-core that runs here
	@$(PHASES) sanity

molecule: ## The scenario of every role on the lab (SCENARIO=node for one, with its drills)
	@$(PHASES) $(SCENARIO)

lab-up: ## Raise the lab (INVENTORY=folder for another fleet)
	@$(PLAY) playbooks/lab_up.yml

lab-down: ## Remove the lab with its disks
	@$(PLAY) playbooks/lab_down.yml

doctor: ## Say what this machine can run
	@$(PLAY) playbooks/doctor.yml

schema: ## Write build/inventory.schema.json, with which editors check variables
	@$(TOOLS) python tools/inventory_schema.py

lock: ## Lock the newest tools
	@tools/lock.sh

clean: ## Remove the cache: images, packages and tools. Take labs down first
	@if ls /var/lib/smallfleet/labs/* >/dev/null 2>&1; then echo 'A lab is up: run make lab-down first.'; exit 1; fi
	rm -rf $(CACHE)
endif
