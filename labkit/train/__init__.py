"""The only user of Keras: what needs gradients. Imported only where it is called."""
