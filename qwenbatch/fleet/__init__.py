"""A fleet on Ray: one keeper of the ledger, and workers elsewhere that pay by its permits."""
